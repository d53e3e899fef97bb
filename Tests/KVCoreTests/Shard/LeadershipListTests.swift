import KVCore
import XCTest

/// A node says once what it leads, and then only what changes.
final class LeadershipListTests: XCTestCase {
    private let leading = Leadership(partition: ManualNode.partition, ballot: Ballot(3, 1))

    /// Lets twelve intervals of heartbeats pass, 3.6 s: at the end of each come heartbeats of these nodes, which say
    /// that nothing has changed since their list of this version.
    private func passHeartbeats(_ node: ManualNode, _ versions: KeyValuePairs<UInt16, UInt64>) {
        for _ in 0..<12 {
            node.pass(300)
            for (sender, version) in versions { node.receive(update(version, version), from: sender) }
        }
    }

    private func update(
        _ base: UInt64, _ version: UInt64, begun: [Leadership] = [], ended: [PartitionID] = []
    ) -> PeerMessage {
        .shards(
            .leaderships(
                epoch: 1, LeadershipUpdate(shard: 0, base: base, version: version, begun: begun, ended: ended)))
    }

    // MARK: Telling

    func testAPeerThatComesInTouchIsToldEverythingAndThenThatNothingHasChanged() {
        let node = ManualNode(1)
        node.lead()
        node.pass(50)
        let whole = node.takeSent(to: 3, \.leaderships).last
        XCTAssertEqual(whole?.begun.map(\.partition), [ManualNode.partition])
        node.pass(1000)
        let beats = node.takeSent(to: 3, \.leaderships)
        XCTAssertGreaterThanOrEqual(beats.count, 3)
        for beat in beats {
            XCTAssertEqual(beat.begun, [])
            XCTAssertEqual(beat.base, whole?.version)
            XCTAssertEqual(beat.version, whole?.version)
        }
        node.down(3)
        node.up(3)
        node.pass(50)
        XCTAssertEqual(node.takeSent(to: 3, \.leaderships).last { $0.isWhole }?.begun, whole?.begun)
    }

    func testALeaderThatLosesItsMajorityTakesItsLeadBack() {
        let node = ManualNode(1)
        node.lead()
        node.pass(50)
        let listed = node.takeSent(to: 3, \.leaderships).last?.version ?? 0
        node.down(2)
        node.forgetSent()
        node.pass(50)
        XCTAssertTrue(node.takeSent(to: 3, \.leaderships).isEmpty, "with node 3 it is a majority")
        node.down(3)
        node.pass(20)
        node.up(3)
        node.down(3)
        node.up(3)
        node.pass(20)
        let update = node.takeSent(to: 3, \.leaderships).last
        XCTAssertGreaterThanOrEqual(update?.version ?? 0, listed + 2, "it was taken back, and told again")
        XCTAssertEqual(update?.begun.map(\.partition), [ManualNode.partition])
    }

    func testWhoMissedAChangeIsToldEverything() {
        let node = ManualNode(1)
        node.lead()
        node.pass(50)
        node.forgetSent()
        node.receive(.shards(.leadershipsWanted(shard: 1)), from: 2)
        XCTAssertTrue(node.takeSent(to: 2, \.leaderships).isEmpty, "another shard is asked")
        node.receive(.shards(.leadershipsWanted(shard: 0)), from: 2)
        let update = node.takeSent(to: 2, \.leaderships).last
        XCTAssertEqual(update?.isWhole, true)
        XCTAssertEqual(update?.begun.map(\.partition), [ManualNode.partition])
    }

    func testAPeerOfTheVersionBeforeIsSentWholeHeartbeats() {
        let node = ManualNode(1)
        node.lead()
        node.give(.peer(NodeNumber(3), .down))
        node.give(.peer(NodeNumber(3), .up(boot: 1, relays: false)))
        node.forgetSent()
        node.pass(700)
        let sent = node.sent.filter { $0.to == NodeNumber(3) }.map(\.message)
        XCTAssertGreaterThanOrEqual(sent.count { $0.listed?.first?.partition == ManualNode.partition }, 2)
        XCTAssertFalse(sent.contains { $0.leaderships != nil }, "it does not know that message")
    }

    // MARK: Hearing

    /// A follower of node 1, in touch with it and node 2.
    private func follower() -> ManualNode {
        let node = ManualNode(3)
        node.up(1, 2)
        node.receive(update(0, 7, begun: [leading]), from: 1)
        return node
    }

    func testHeartbeatsWithoutANameKeepALeader() {
        let node = follower()
        for _ in 0..<20 {
            node.pass(300)
            node.receive(update(7, 7), from: 1)
        }
        XCTAssertFalse(node.hasSent(\.preVote))
        XCTAssertEqual(node.shard.leader(of: ManualNode.partition), NodeNumber(1))
        node.pass(4000)
        XCTAssertTrue(node.hasSent(\.preVote), "no heartbeat comes any more")
    }

    func testAFollowerRestsWhileHeartbeatsComeAndWakesWhenTheyStop() {
        let node = follower()
        for _ in 0..<40 {
            node.pass(300)
            node.receive(update(7, 7), from: 1)
            if node.hasSent(\.preVote) { return XCTFail("it is heard") }
        }
        node.pass(1400)
        XCTAssertFalse(node.hasSent(\.preVote))
        node.pass(1200)
        XCTAssertTrue(node.hasSent(\.preVote), "1.5 s of silence, and half a second for each replica before it")
    }

    func testALeaderThatIsListedNoMoreIsNotKeptByHeartbeats() {
        let node = follower()
        node.receive(update(7, 8, ended: [ManualNode.partition]), from: 1)
        passHeartbeats(node, [1: 8])
        XCTAssertTrue(node.hasSent(\.preVote))
    }

    func testAWholeListEndsWhatItDoesNotName() {
        let node = follower()
        node.receive(update(0, 9), from: 1)
        passHeartbeats(node, [1: 9])
        XCTAssertTrue(node.hasSent(\.preVote))
    }

    func testWhoMissesAChangeAsksAndBelievesNoHeartbeatUntilThen() {
        let node = follower()
        node.forgetSent()
        passHeartbeats(node, [1: 8])
        let asked = node.sent.count { $0.to == NodeNumber(1) && $0.message == .shards(.leadershipsWanted(shard: 0)) }
        XCTAssertEqual(asked, 12)
        XCTAssertTrue(node.hasSent(\.preVote), "the lead may have ended in between")
        node.receive(update(0, 8, begun: [leading]), from: 1)
        XCTAssertEqual(node.shard.leader(of: ManualNode.partition), NodeNumber(1))
    }

    func testLateUpdatesChangeNothing() {
        let node = follower()
        node.receive(update(7, 8, ended: [ManualNode.partition]), from: 1)
        node.receive(update(0, 7, begun: [leading]), from: 1)
        passHeartbeats(node, [1: 8])
        XCTAssertTrue(node.hasSent(\.preVote))
    }

    func testAnEarlierLeadersLateListDoesNotHideTheLaterLeader() {
        let node = ManualNode(3)
        node.up(1, 2)
        node.receive(update(0, 7, begun: [Leadership(partition: ManualNode.partition, ballot: Ballot(4, 2))]), from: 2)
        node.receive(update(0, 7, begun: [leading]), from: 1)
        node.receive(update(7, 8, ended: [ManualNode.partition]), from: 1)
        passHeartbeats(node, [2: 7, 1: 8])
        XCTAssertFalse(node.hasSent(\.preVote))
    }

    func testAPeerCannotMakeANodeKeepListsWithoutEnd() {
        let node = ManualNode(3)
        node.up(1, 2)
        node.forgetSent()
        node.receive(
            .shards(.leaderships(epoch: 1, LeadershipUpdate(shard: .max, base: 5, version: 6, begun: [leading]))),
            from: 1)
        node.receive(
            .shards(.leaderships(epoch: 1, LeadershipUpdate(shard: 0, base: 5, version: 6, begun: [leading]))), from: 9)
        XCTAssertEqual(node.sent, [], "neither is taken note of")
        let stray = Leadership(partition: PartitionID(.max), ballot: Ballot(3, 1))
        node.receive(update(0, 7, begun: [stray], ended: [PartitionID(.max)]), from: 1)
        node.receive(update(7, 8, begun: [stray], ended: [PartitionID(.max)]), from: 1)
    }
}
