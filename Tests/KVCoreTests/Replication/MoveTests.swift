import KVCore
import XCTest

/// Tests moves of a partition from one replica set to another.
final class MoveTests: XCTestCase {
    private let cluster = ManualCluster(nodes: 5)

    override func setUp() {
        cluster.pass(200)
        XCTAssertEqual(cluster.leaders, [1])
    }

    private func put(_ text: String, _ key: Key = "k", at node: UInt16 = 1) -> RequestID {
        let id = cluster[node].request(.put(text), key)
        cluster.run()
        return id
    }

    func testAJoiningNodeIsBroughtLevelBeforeTheMoveIsReady() {
        for index in 0..<300 { _ = put("v\(index)", Key("k\(index)")) }
        cluster.change(to: [1, 2, 3], next: [1, 2, 4])
        XCTAssertNil(cluster.move?.isReady == true ? "ready at once" : nil)
        cluster.pass(1000)
        XCTAssertEqual(cluster.leaders, [1])
        XCTAssertEqual(cluster[4].store.usage(ManualNode.partition).keys, 300)
        XCTAssertEqual(cluster.move?.isReady, true)
        cluster.assertLevel()

        cluster.change(to: [1, 2, 4])
        cluster.pass(1000)
        XCTAssertEqual(cluster.leaders, [1])
        XCTAssertNil(cluster.move)
        XCTAssertEqual(cluster[3].store.records.count, 0, "who left has let its copy go")
        XCTAssertEqual(cluster[3].store.membership(ManualNode.partition), 0)
        XCTAssertEqual(cluster[4].store.membership(ManualNode.partition), 2, "since the move began")
        let more = put("more")
        XCTAssertNotNil(cluster[1].answers[more]?.version)
        XCTAssertEqual(cluster[4].value(), "more")
    }

    func testWhatIsInFlightWhenAConfigurationChangesIsAnswered() {
        _ = put("before")
        // The change has been proposed and sent, and no replica has answered.
        let change = cluster[1].request(.put("during"))
        let read = cluster[1].request(.get)
        let conditional = cluster[1].request(.put("if", .ifVersion(Version(9, 9, 9))))
        cluster.change(to: [1, 2, 3], next: [1, 4, 5])
        cluster.run()
        XCTAssertNotNil(cluster[1].answers[change]?.version)
        XCTAssertEqual(cluster[1].answers[read]?.text, "during")
        XCTAssertEqual(cluster[1].answers[conditional], .conditionFailed(cluster[1].answers[change]?.version))
    }

    func testAReproposedChangeAnswersItsNewVersion() {
        let change = cluster[1].request(.put("during"))
        cluster.change(to: [1, 2, 3], next: [1, 2, 4])
        cluster.run()
        let version = cluster[1].answers[change]?.version
        XCTAssertEqual(version, cluster[1].store.records["k"]?.version)
        let next = cluster[1].request(.put("after", .ifVersion(version ?? .zero)))
        cluster.run()
        XCTAssertNotNil(cluster[1].answers[next]?.version, "the version that was told is the one to go on from")
    }

    func testAChangeThatAnotherLeaderMayHaveOverruledIsUnknown() {
        _ = put("before")
        let change = cluster[1].request(.put("during"))
        cluster[1].forgetSent()
        cluster[1].sync()
        // Node 2 leads meanwhile and changes the key, which node 1 learns of only when it prepares again.
        cluster.isolate(1)
        cluster.pass(2000)
        XCTAssertEqual(cluster.leaders.contains(2), true)
        _ = put("other", at: 2)
        cluster.rejoin(1)
        cluster.change(to: [1, 2, 3], next: [1, 2, 4])
        cluster.pass(2000)
        XCTAssertEqual(cluster[1].answers[change], .unknown(.leaderLost))
        let read = cluster[3].request(.get)
        cluster.pass(100)
        XCTAssertEqual(cluster[3].answers[read]?.text, "other")
    }

    func testWritesWhileMovingNeedMajoritiesOfBothSets() {
        cluster.change(to: [1, 2, 3], next: [1, 4, 5])
        cluster.pass(500)
        cluster.isolate(4)
        cluster.isolate(5)
        let change = cluster[1].request(.put("x"), timeout: 1000)
        cluster.pass(300)
        XCTAssertNil(cluster[1].answers[change], "of 1, 4 and 5 only one is left")
        cluster.rejoin(4)
        cluster.pass(300)
        XCTAssertNotNil(cluster[1].answers[change]?.version)
    }

    func testWhoHasNotHeardOfAConfigurationIsToldAndCatchesUp() {
        _ = put("before")
        cluster.change(to: [1, 2, 3], next: [1, 2, 4], telling: [1, 4])
        let change = cluster[1].request(.put("x"))
        cluster.run()
        XCTAssertNil(cluster[1].answers[change], "2 and 3 do not go by the new configuration yet")
        XCTAssert(cluster[2].notices.contains(.behind(2, at: NodeNumber(1))))
        cluster.tell(2)
        cluster.run()
        XCTAssertNotNil(cluster[1].answers[change]?.version, "what came early is not lost")
    }

    func testTheOldLeaderOfAMovedPartitionIsRefused() {
        _ = put("before")
        cluster.change(to: [1, 2, 3], next: [2, 4, 5])
        cluster.pass(2000)
        XCTAssertEqual(cluster.leaders, [2], "who is to leave hands over first")
        XCTAssertEqual(cluster.move?.isReady, true)
        cluster.change(to: [2, 4, 5], telling: [2, 4, 5])
        cluster.pass(500)
        XCTAssertEqual(cluster.leaders, [2])
        let stale = cluster[3].request(.get)
        cluster.pass(100)
        XCTAssertEqual(cluster[3].answers[stale]?.text, "before", "it asks the leader, whatever it believes of itself")
        XCTAssert(cluster[3].notices.contains(.behind(3, at: NodeNumber(2))))
    }

    func testACancelledMoveLosesNothing() {
        for index in 0..<50 { _ = put("v\(index)", Key("k\(index)")) }
        cluster.change(to: [1, 2, 3], next: [1, 2, 4])
        cluster.run()
        let during = put("during")
        XCTAssertNotNil(cluster[1].answers[during]?.version)
        cluster.change(to: [1, 2, 3])
        cluster.pass(1000)
        XCTAssertEqual(cluster[3].value(), "during")
        XCTAssertEqual(cluster[4].store.records.count, 0)
        cluster.assertLevel()
    }

    func testAMembershipThatLapsedBeginsAgainFromNothing() {
        _ = put("old", "gone")
        cluster.isolate(3)
        cluster.change(to: [1, 2], telling: [1, 2])
        cluster.change(to: [1, 2, 3], telling: [1, 2])
        let delete = cluster[1].request(.delete(.always), "gone")
        cluster.pass(100)
        XCTAssertNotNil(cluster[1].answers[delete]?.version)
        XCTAssertNotNil(cluster[3].store.records["gone"]?.value)
        cluster.tell(3)
        XCTAssertEqual(cluster[3].store.records.count, 0, "however briefly it lapsed")
        XCTAssertEqual(cluster[3].store.membership(ManualNode.partition), 3)
    }

    /// A record that only the present set has accepted is not chosen. Once a leader has been ready, the set may be
    /// switched at any time, so no later leader may take such a record for chosen.
    func testWhatALeaderReadsAfterAMoveWasReadySurvivesTheSwitch() {
        _ = put("old")
        cluster.change(to: [1, 2, 3], next: [1, 4, 5])
        cluster.pass(1000)
        XCTAssertEqual(cluster.move?.isReady, true)
        // The write is sent to all replicas and reaches 2 and 3 only. The leader is cut off.
        let late = cluster[1].request(.put("late"))
        cluster.isolate(4)
        cluster.isolate(5)
        cluster.run()
        XCTAssertNil(cluster[1].answers[late])
        XCTAssertEqual(cluster[2].value(), "late")
        cluster.isolate(1)
        cluster.rejoin(4)
        cluster.rejoin(5)
        for _ in 0..<400 where !cluster.leaders.contains(2) { cluster.pass(10) }
        let read = cluster[2].request(.get)
        cluster.run()
        XCTAssertEqual(cluster[2].answers[read]?.text, "late")

        cluster.change(to: [1, 4, 5], telling: [2, 3, 4, 5])
        cluster.pass(2000)
        let again = cluster[4].request(.get)
        cluster.pass(100)
        XCTAssertEqual(cluster[4].answers[again]?.text, "late")
    }

    func testAGrowingAndShrinkingSet() {
        cluster.change(to: [1, 2, 3], next: [1])
        cluster.pass(500)
        XCTAssertEqual(cluster.move?.isReady, true)
        cluster.change(to: [1])
        cluster.pass(500)
        let alone = put("alone")
        XCTAssertNotNil(cluster[1].answers[alone]?.version)
        cluster.change(to: [1], next: [3, 4, 5])
        cluster.pass(2000)
        XCTAssertEqual(cluster.leaders, [3])
        XCTAssertEqual(cluster.move?.isReady, true)
        cluster.change(to: [3, 4, 5])
        cluster.pass(1000)
        let read = cluster[2].request(.get)
        cluster.pass(100)
        XCTAssertEqual(cluster[2].answers[read]?.text, "alone")
        XCTAssertEqual(cluster[1].store.records.count, 0)
        cluster.assertLevel()
    }

    func testAThrottledMoveKeepsToItsRate() { throttledMove(readsFromDisk: false) }

    func testAThrottledMoveOfWhatIsOnDiskKeepsToItsRate() { throttledMove(readsFromDisk: true) }

    private func throttledMove(readsFromDisk: Bool) {
        var options = ShardOptions()
        options.moveRate = 100_000
        let cluster = ManualCluster(nodes: 4, options: options)
        cluster.pass(200)
        let value = String(repeating: "x", count: 1000)
        for index in 0..<500 {
            _ = cluster[1].request(.put(value), Key("k\(index)"))
            cluster.run()
        }
        for number in 1...4 { cluster[UInt16(number)].store.readsFromDisk = readsFromDisk }
        cluster.change(to: [1, 2, 3], next: [1, 2, 4])
        cluster.pass(500)
        let early = cluster.move?.sent ?? 0
        cluster.pass(2000)
        let rate = ((cluster.move?.sent ?? 0) - early) / 2
        XCTAssert((90_000...110_000).contains(rate), "\(rate) bytes a second")
        cluster.pass(4000)
        XCTAssertEqual(cluster.move?.isReady, true)
    }
}
