import KVCore
import XCTest

/// In large clusters heartbeats are rare between nodes that have nothing to do with each other.
final class HeartbeatPaceTests: XCTestCase {
    private let (first, second) = (NodeNumber(1), NodeNumber(2))

    /// A node of a cluster of eleven, in which a heartbeat comes in every fourth turn.
    private func node(_ number: UInt16) -> ManualNode {
        let node = ManualNode(number, members: 11)
        for peer in 1...11 as ClosedRange<UInt16> where peer != number { node.up(peer) }
        return node
    }

    private func update(_ version: UInt64, begun: [Leadership] = [], isAttending: Bool = false) -> PeerMessage {
        .shards(
            .leaderships(
                epoch: 1,
                LeadershipUpdate(
                    shard: 0, base: begun.isEmpty ? version : 0, version: version, begun: begun,
                    isAttending: isAttending)))
    }

    private func heartbeats(_ node: ManualNode, to peer: UInt16, in milliseconds: UInt64) -> [LeadershipUpdate] {
        node.pass(100)
        node.forgetSent()
        node.pass(milliseconds)
        return node.takeSent(to: peer, \.leaderships)
    }

    func testHeartbeatsAreRareAndSpreadOverTheTurns() {
        let node = node(3)
        node.pass(100)
        node.forgetSent()
        node.pass(12_100)
        var sent: [NodeNumber: Int] = [:]
        for sent1 in node.sent where sent1.message.leaderships != nil { sent[sent1.to, default: 0] += 1 }
        XCTAssertEqual(sent.count, 10)
        for count in sent.values { XCTAssertTrue((9...11).contains(count), "\(count) in 40 turns") }
    }

    func testAPeerThatIsAttendedToIsSentHeartbeatsInEveryTurnAndAskedForThem() {
        let node = node(3)
        node.pass(100)
        node.forgetSent()
        node.give(.attention(first, true))
        XCTAssertEqual(node.takeSent(to: 1, \.leaderships).map(\.isAttending), [true], "at once")
        let sent = heartbeats(node, to: 1, in: 3000)
        XCTAssertTrue((9...11).contains(sent.count), "\(sent.count)")
        XCTAssertTrue(sent.allSatisfy(\.isAttending))
        node.give(.attention(first, false))
        XCTAssertLessThan(heartbeats(node, to: 1, in: 3000).count, 5)
    }

    func testWhoIsAttendedToAnswersWithHeartbeatsInEveryTurn() {
        let node = node(3)
        node.pass(100)
        node.receive(update(7, begun: [Leadership(partition: ManualNode.partition, ballot: Ballot(3, 1))]), from: 1)
        node.forgetSent()
        node.receive(update(7, isAttending: true), from: 1)
        let answer = node.takeSent(to: 1, \.leaderships)
        XCTAssertEqual(answer.map(\.isAttending), [false], "at once; and the two do not keep each other at it")
        XCTAssertGreaterThanOrEqual(heartbeats(node, to: 1, in: 1300).count, 3)
        XCTAssertLessThan(heartbeats(node, to: 1, in: 3000).count, 5, "the wish has ended")
    }

    func testALeaderIsOverdueSoonWhereItIsAttendedTo() {
        for isAttended in [false, true] {
            let node = node(3)
            node.pass(100)
            node.receive(update(7, begun: [Leadership(partition: ManualNode.partition, ballot: Ballot(3, 1))]), from: 1)
            node.pass(3000)
            XCTAssertFalse(node.hasSent(\.preVote), "it may not be heard for six seconds")
            if isAttended { node.give(.attention(first, true)) }
            node.pass(1400)
            XCTAssertFalse(node.hasSent(\.preVote), "from now on it is to be heard")
            node.pass(1400)
            XCTAssertEqual(node.hasSent(\.preVote), isAttended)
            node.pass(2500)
            XCTAssertTrue(node.hasSent(\.preVote))
        }
    }

    func testInASmallClusterAttentionMakesNoDifference() {
        let node = ManualNode(3)
        node.up(1, 2)
        node.pass(100)
        node.forgetSent()
        node.pass(3000)
        XCTAssertTrue((9...11).contains(node.takeSent(to: 1, \.leaderships).count))
    }
}
