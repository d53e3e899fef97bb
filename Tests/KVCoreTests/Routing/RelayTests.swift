import KVCore
import XCTest

/// Tests requests between two nodes that do not reach each other, by way of a third that reaches both.
final class RelayTests: XCTestCase {
    private let node = ManualNode(4)

    private func relay(_ command: Command = .put("v"), _ id: RequestID = RequestID(77), from peer: UInt16 = 9) {
        node.receive(
            .request(
                RequestHeader(id, epoch: 1, partition: ManualNode.partition, key: "k"),
                .relay(timeout: .milliseconds(1000), command: command)),
            from: peer)
    }

    /// The answers to the node that has asked.
    private var results: [ForwardResult] { node.takeSent(to: 9, \.forwardResult) }

    /// Node 3 leads, as node 4 has heard.
    private func hearLeader() {
        node.receive(
            .shards(.leaderHeartbeat(epoch: 1, [Leadership(partition: ManualNode.partition, ballot: Ballot(1, 3))])),
            from: 3)
    }

    // MARK: Who asks

    func testAWriteGoesThroughAnotherWhereTheLeaderIsKnownAndOutOfTouch() {
        node.up(1, 2, 3)
        let first = node.request(.put("u"))
        node.receive(.reply(first, .forwarded(.notLeader(hint: NodeNumber(3)))), from: 1)
        node.receive(.reply(first, .forwarded(.outcome(.written(Version(1, 3, 1))))), from: 3)
        node.give(.peer(NodeNumber(3), .down))
        node.forgetSent()
        let put = node.request(.put("v"))
        for _ in 0..<4 {
            for peer in [1, 2] as [UInt16] {
                node.receive(.reply(put, .forwarded(.notLeader(hint: NodeNumber(3)))), from: peer)
            }
            XCTAssertFalse(node.sent.contains { $0.message.relay != nil }, "it may just be about to be known")
            node.pass(10)
        }
        for peer in [1, 2] as [UInt16] {
            node.receive(.reply(put, .forwarded(.notLeader(hint: NodeNumber(3)))), from: peer)
        }
        node.pass(20)
        let asked = node.sent.filter { $0.message.relay?.id == put }
        XCTAssertEqual(asked.count, 1)
        let helper = asked.first?.to ?? NodeNumber(0)
        node.receive(.reply(put, .forwarded(.outcome(.written(Version(1, 3, 2))))), from: helper.raw)
        XCTAssertEqual(node.answers[put], .written(Version(1, 3, 2)))
    }

    func testAPeerOfTheVersionBeforeIsNotAsked() {
        for peer in [1, 2] as [UInt16] { node.give(.peer(NodeNumber(peer), .up(boot: 1, relays: false))) }
        let put = node.request(.put("v"))
        for _ in 0..<20 {
            for peer in [1, 2] as [UInt16] {
                node.receive(.reply(put, .forwarded(.notLeader(hint: NodeNumber(3)))), from: peer)
            }
            node.pass(20)
        }
        XCTAssertFalse(node.sent.contains { $0.message.relay != nil })
    }

    func testAReadThatItsLeaderDoesNotAnswerGoesThroughAnotherOnce() {
        node.up(1, 2, 3)
        let read = node.request(.get)
        node.pass(190)
        XCTAssertFalse(node.sent.contains { $0.message.relay != nil })
        node.pass(300)
        XCTAssertEqual(
            node.sent.filter { $0.message.relay != nil }.map(\.to), [NodeNumber(2)], "not the leader itself")
        node.receive(.reply(read, .forwarded(.outcome(.absent))), from: 2)
        XCTAssertEqual(node.answers[read], .absent)
    }

    // MARK: Who passes on

    func testARequestIsPassedOnOnceAndItsAnswerBack() throws {
        node.up(3, 9)
        hearLeader()
        node.forgetSent()
        relay()
        let passed = node.takeSent(to: 3, \.forward)
        XCTAssertEqual(passed.map(\.timeout), [.milliseconds(900)])
        let id = try XCTUnwrap(passed.first?.id)
        XCTAssertNotEqual(id, RequestID(77), "another node's numbers are not this one's")
        node.receive(.reply(id, .forwarded(.outcome(.written(Version(1, 3, 1))))), from: 2)
        XCTAssertEqual(results, [], "not from another than was asked")
        node.receive(.reply(id, .forwarded(.outcome(.written(Version(1, 3, 1))))), from: 3)
        XCTAssertEqual(results, [.outcome(.written(Version(1, 3, 1)))])
        node.receive(.reply(id, .forwarded(.outcome(.written(Version(1, 3, 1))))), from: 3)
        XCTAssertEqual(results, [], "once")
    }

    func testWhoKnowsNoLeaderSaysSo() {
        node.up(3, 9)
        relay()
        XCTAssertEqual(results, [.notLeader(hint: nil)])
        hearLeader()
        node.down(3)
        node.forgetSent()
        relay()
        XCTAssertEqual(results, [.notLeader(hint: nil)])
    }

    func testWhenTheLeaderIsLostNobodyKnowsWhatBecameOfIt() {
        node.up(3, 9)
        hearLeader()
        relay()
        node.forgetSent()
        node.down(3)
        XCTAssertEqual(results, [.outcome(.unknown(.leaderLost))])
    }

    func testWhatIsPassedOnIsBoundedAndForgotten() {
        var options = ShardOptions()
        options.maximumRequests = 2
        let node = ManualNode(4, options: options)
        node.up(3, 9)
        node.receive(
            .shards(.leaderHeartbeat(epoch: 1, [Leadership(partition: ManualNode.partition, ballot: Ballot(1, 3))])),
            from: 3)
        func relay(_ id: UInt64) {
            node.receive(
                .request(
                    RequestHeader(RequestID(id), epoch: 1, partition: ManualNode.partition, key: "k"),
                    .relay(timeout: .milliseconds(1000), command: .get)), from: 9)
        }
        for id in 1...3 as ClosedRange<UInt64> { relay(id) }
        XCTAssertEqual(node.takeSent(to: 3, \.forward).count, 2)
        XCTAssertEqual(node.takeSent(to: 9, \.forwardResult), [.notLeader(hint: NodeNumber(3))])
        node.pass(1100)
        relay(4)
        XCTAssertEqual(node.takeSent(to: 3, \.forward).count, 1, "nobody waits for the others any more")
    }

    func testTheLeaderItselfExecutesIt() {
        let leader = ManualNode(1)
        leader.lead()
        leader.forgetSent()
        leader.up(9)
        leader.receive(
            .request(
                RequestHeader(RequestID(5), epoch: 1, partition: ManualNode.partition, key: "k"),
                .relay(timeout: .milliseconds(1000), command: .put("v"))), from: 9)
        leader.choose()
        XCTAssertEqual(leader.takeSent(to: 9, \.forwardResult).count, 1)
        XCTAssertEqual(leader.value(), "v")
    }
}
