import KVCore
import XCTest

/// Tests three shards together: settling, repair and leadership transfers.
final class ThreeReplicasTests: XCTestCase {
    func testTheFirstLeadsAndServes() {
        let cluster = ManualCluster()
        cluster.pass(100)
        XCTAssertEqual(cluster.leaders, [1])
        let put = cluster[3].request(.put("v"))
        cluster.run()
        XCTAssertEqual(cluster[3].answeredBy[put], NodeNumber(1))
        let get = cluster[2].request(.get)
        cluster.run()
        XCTAssertEqual(cluster[2].answers[get].flatMap(\.text), "v")
        cluster.assertLevel()
    }

    func testANewLeaderSettlesWhatTheReplicasDisagreeAbout() {
        let same = Record(Version(1, 1, 1), "same")
        let cluster = ManualCluster([
            1: ManualStore(["same": same, "own": Record(Version(1, 1, 2), "own")]),
            2: ManualStore(["same": same, "theirs": Record(Version(2, 2, 1), "theirs")]),
            3: ManualStore(["own": Record(Version(1, 1, 1), "older")]),
        ])
        cluster.pass(300)
        XCTAssertEqual(cluster.leaders, [1])
        XCTAssert(cluster[1].isSettled)
        XCTAssertEqual(cluster[1].store.records["same"], same, "what was on a majority stays as it is")
        XCTAssertEqual(cluster[1].value("own"), "own")
        XCTAssertEqual(cluster[1].value("theirs"), "theirs")
        cluster.pass(500)
        cluster.assertLevel()
    }

    func testSettlingManyKeys() {
        var records: [Key: Record] = [:]
        for index in 0..<1000 { records[Key("key \(index)")] = Record(Version(1, 2, UInt64(index) + 1), "\(index)") }
        let cluster = ManualCluster([2: ManualStore(records)])
        cluster.pass(1000)
        XCTAssert(cluster[1].isSettled)
        XCTAssertEqual(cluster[1].store.records.count, 1000)
        XCTAssertEqual(cluster[1].value("key 77"), "77")
        cluster.pass(1000)
        cluster.assertLevel()
    }

    func testARecordThatWasNeverChosenIsOverruled() {
        let chosen = Record(Version(1, 1, 1), "chosen")
        let cluster = ManualCluster(
            [
                1: ManualStore(["k": chosen]), 2: ManualStore(["k": chosen]),
                3: ManualStore(["k": Record(Version(2, 3, 1), "orphan"), "stray": Record(Version(2, 3, 2), "orphan")]),
            ], isolated: [3])
        cluster.pass(100)
        XCTAssert(cluster[1].isSettled)
        cluster.rejoin(3)
        cluster.pass(2000)
        XCTAssertEqual(cluster[3].value("k"), "chosen")
        XCTAssertNil(cluster[3].value("stray"))
        cluster.assertLevel()
    }

    /// A store that was put back to an older copy has used a ballot again. The versions tell nothing.
    func testTwoValuesUnderOneVersionAreNoticedAndTheLeadersIsKept() {
        for odd in [1, 2, 3] as [UInt16] {
            let version = Version(1, 2, 7)
            var stores: [UInt16: ManualStore] = [:]
            for node in 1...3 as ClosedRange<UInt16> {
                stores[node] = ManualStore([
                    "k": Record(version, node == odd ? "odd" : "even"), "other": Record(version, "v"),
                ])
            }
            let cluster = ManualCluster(stores)
            cluster.pass(100)
            XCTAssert(cluster[1].isSettled, "what the versions say is enough to lead")
            cluster.pass(2000)
            XCTAssertEqual(cluster.leaders, [1])
            for node in 1...3 as ClosedRange<UInt16> {
                XCTAssertEqual(cluster[node].value("k"), odd == 1 ? "odd" : "even", "\(odd)")
                XCTAssertEqual(cluster[node].store.records["other"]?.version, version, "nothing else is touched")
            }
            XCTAssertGreaterThan(cluster[1].store.records["k"]?.version ?? .zero, version)
            cluster.assertLevel()
            let found = cluster[1].notices.compactMap { if case .conflict(_, let key, _) = $0 { key } else { nil } }
            XCTAssertEqual(Set(found), ["k"], "\(odd)")
            XCTAssertLessThanOrEqual(found.count, 2, "once a replica")
        }
    }

    /// Nor do they later: the comparison that comes now and then looks at the contents.
    func testTwoValuesUnderOneVersionAreNoticedWithoutAnElection() {
        var options = ShardOptions()
        options.recompare = .milliseconds(3000)
        let cluster = ManualCluster(options: options)
        cluster.pass(2000)
        _ = cluster[1].request(.put("chosen"))
        cluster.pass(100)
        guard let held = cluster[3].store.records["k"] else { return XCTFail("nothing is held") }
        cluster[3].store.forge("k", Record(held.version, "forged"))
        XCTAssertEqual(cluster[3].value(), "forged")
        cluster.pass(5000)
        XCTAssertEqual(cluster[3].value(), "chosen")
        cluster.assertLevel()
    }

    func testAReplicaThatWasCutOffGetsWhatItMissedFromMemory() {
        let cluster = ManualCluster()
        cluster.pass(2000)
        cluster.isolate(3)
        for index in 0..<20 { _ = cluster[1].request(.put("v"), Key("k\(index)")) }
        cluster.pass(100)
        cluster.delivered = []
        cluster.rejoin(3)
        cluster.pass(500)
        XCTAssertEqual(cluster[3].value("k19"), "v")
        XCTAssertFalse(cluster.delivered.contains(where: \.isLeavesRequest), "no trees are compared")
        cluster.assertLevel()
    }

    func testOfAReplicaThatHasRestartedTheTreesAreCompared() {
        let cluster = ManualCluster()
        cluster.pass(2000)
        cluster.isolate(3)
        _ = cluster[1].request(.put("v"))
        cluster.pass(100)
        cluster.delivered = []
        cluster.rejoin(3, boot: 2)
        cluster.pass(500)
        XCTAssert(cluster.delivered.contains(where: \.isLeavesRequest))
        XCTAssertEqual(cluster[3].value(), "v")
        cluster.assertLevel()
    }

    func testMoreThanIsRememberedIsFoundByTheTrees() {
        var options = ShardOptions()
        options.maximumMissed = 8
        let cluster = ManualCluster(options: options)
        cluster.pass(2000)
        cluster.isolate(3)
        for index in 0..<100 { _ = cluster[1].request(.put("\(index)"), Key("k\(index)")) }
        cluster.pass(100)
        cluster.rejoin(3)
        cluster.pass(2000)
        XCTAssertEqual(cluster[3].value("k99"), "99")
        cluster.assertLevel()
    }

    func testAReplicaWithAFullDiskIsRepairedWhenThereIsRoom() {
        let cluster = ManualCluster()
        cluster.pass(2000)
        cluster[3].store.acceptsCopies = false
        let put = cluster[1].request(.put("v"))
        cluster.pass(3000)
        XCTAssertNotNil(cluster[1].answers[put]?.version, "the others suffice")
        XCTAssertNil(cluster[3].value())
        cluster.delivered = []
        cluster.pass(5000)
        XCTAssertLessThan(cluster.delivered.count { $0.accept != nil }, 4, "it is asked ever more rarely")
        cluster[3].store.acceptsCopies = true
        cluster.pass(4000)
        cluster.assertLevel()
    }

    /// A successor that is asked just before the leader gives the transfer up would prepare while the leader proposes
    /// again, and whatever that proposes then would end as unknown.
    func testASuccessorIsNotAskedShortlyBeforeTheTransferIsGivenUp() {
        let cluster = ManualCluster()
        cluster.pass(1000)
        cluster.isolate(1)
        cluster.pass(3000)
        XCTAssertEqual(cluster.leaders, [2])
        cluster.rejoin(1)
        cluster.pass(950)
        for follower in [1, 3] as [UInt16] { cluster[follower].store.acceptsCopies = false }
        let put = cluster[2].request(.put("v"))
        // The transfer begins now, and waits for the change in flight.
        cluster.pass(550)
        XCTAssertNil(cluster[2].answers[put])
        cluster.delivered = []
        for follower in [1, 3] as [UInt16] { cluster[follower].store.acceptsCopies = true }
        cluster.pass(250)
        XCTAssertNotNil(cluster[2].answers[put]?.version)
        func hasAsked() -> Bool {
            cluster.delivered.contains {
                if case .replica(_, .transfer) = $0 { true } else { false }
            }
        }
        XCTAssertFalse(hasAsked(), "it has been given up")
        cluster.pass(1500)
        XCTAssertTrue(hasAsked(), "and is tried again")
        XCTAssertEqual(cluster.leaders, [1])
    }

    func testALeaderThatComesBackTakesTheLeadWithoutFailingAnything() {
        let cluster = ManualCluster(isolated: [1])
        cluster.pass(1200)
        XCTAssertEqual(cluster.leaders, [2])
        cluster.rejoin(1)
        var asked: [RequestID] = []
        for index in 0..<400 {
            asked.append(cluster[2].request(.put("\(index)"), Key("k\(index % 7)")))
            asked.append(cluster[2].request(.get, Key("k\(index % 7)")))
            cluster.pass(10)
        }
        cluster.pass(100)
        XCTAssertEqual(cluster.leaders, [1])
        for id in asked {
            let outcome = cluster[2].answers[id]
            XCTAssert(outcome?.version != nil || outcome?.text != nil, "\(String(describing: outcome))")
        }
        cluster.assertLevel()
    }

    func testANodeThatStopsHandsItsLeadOver() {
        let cluster = ManualCluster()
        cluster.pass(2000)
        let before = cluster[1].request(.put("v"))
        cluster[1].give(.drain)
        let meanwhile = cluster[1].request(.put("w", .ifPresent))
        cluster.pass(300)
        XCTAssertEqual(cluster.leaders, [2])
        XCTAssert(cluster[1].notices.contains { if case .drained = $0 { true } else { false } })
        XCTAssertNotNil(cluster[1].answers[before]?.version)
        XCTAssertNotNil(cluster[1].answers[meanwhile]?.version)

        // It is in touch and comes first, and yet is not waited for.
        let after = cluster[2].request(.put("x"))
        cluster.pass(2500)
        XCTAssertNotNil(cluster[2].answers[after]?.version)
        XCTAssertEqual(cluster.leaders, [2])
    }

    func testOneFailureTakesTheLeadElsewhereAndNothingIsLost() {
        let cluster = ManualCluster()
        cluster.pass(2000)
        let put = cluster[1].request(.put("v"))
        cluster.run()
        XCTAssertNotNil(cluster[1].answers[put]?.version)
        cluster.isolate(1)
        cluster.pass(1000)
        XCTAssert(cluster[2].leads)
        let get = cluster[3].request(.get)
        cluster.run()
        XCTAssertEqual(cluster[3].answers[get].flatMap(\.text), "v")

        let stranded = cluster[1].request(.get, timeout: 1000)
        cluster.pass(1000)
        XCTAssertEqual(cluster[1].answers[stranded], .refused(.noLeader), "the old leader shows nothing any more")
    }
}
