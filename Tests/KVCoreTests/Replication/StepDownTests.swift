import KVCore
import XCTest

/// Tests the outcomes of operations when another node takes the lead.
final class StepDownTests: XCTestCase {
    private let node = ManualNode(1)
    private let higher = Ballot(90, 3)

    override func setUp() {
        node.lead()
        node.forgetSent()
    }

    private func deposed() { node.receive(.replica(node.header(higher), .prepare), from: 3) }

    func testWhatWasProposedIsUnknown() {
        let put = node.request(.put("v"))
        deposed()
        XCTAssertEqual(node.answers[put], .unknown(.leaderLost))
        XCTAssertFalse(node.hasSent(\.forward), "and is never tried again")
    }

    func testWhatWasNotSentYetGoesToTheNewLeader() {
        let put = node.ask(.put("v"))
        deposed()
        XCTAssertNil(node.answers[put])
        XCTAssertEqual(node.takeSent(to: 3, \.forward).map(\.id), [put])
        node.sync()
        XCTAssertNil(node.value(), "it left nothing here")
    }

    func testReadsAndFailedConditionsGoToTheNewLeader() {
        _ = node.request(.put("v"))
        let read = node.request(.get)
        let failing = node.request(.put("w", .ifAbsent))
        deposed()
        XCTAssertEqual(Set(node.takeSent(to: 3, \.forward).map(\.id)), [read, failing])
    }

    func testWhatWasHeldGoesToTheNewLeader() {
        node.down(2, 3)
        let put = node.request(.put("v"))
        node.give(.message(from: NodeNumber(3), .replica(node.header(higher), .prepare)))
        node.up(3)
        node.pass(10)
        XCTAssertEqual(node.takeSent(to: 3, \.forward).map(\.id), [put])
    }

    func testARejectionDeposesToo() {
        let put = node.request(.put("v"))
        node.receive(.replica(node.header(higher), .reject), from: 2)
        XCTAssertEqual(node.answers[put], .unknown(.leaderLost))
        XCTAssertFalse(node.leads)
    }

    func testARejectionOfAnOlderBallotDoesNot() {
        node.receive(.replica(node.header(Ballot(1, 3)), .reject), from: 2)
        XCTAssert(node.leads)
    }

    func testAForwardedOperationIsAnsweredToItsSender() {
        node.receive(
            .request(
                RequestHeader(RequestID(7), epoch: 1, partition: ManualNode.partition, key: "k"),
                .forward(timeout: .milliseconds(1000), command: .put("v"))), from: 2)
        node.forgetSent()
        deposed()
        XCTAssertEqual(
            node.sent.filter { $0.to == NodeNumber(2) }.map(\.message),
            [.reply(RequestID(7), .forwarded(.outcome(.unknown(.leaderLost))))])
    }

    func testTheNewBallotIsAboveTheOneThatDeposed() {
        deposed()
        node.down(3)
        node.pass(50)
        for preVote in node.takeSent(to: 2, \.preVote) {
            node.receive(.replica(preVote, .preVoteResult(granted: true, promised: .zero)), from: 2)
        }
        XCTAssertGreaterThan(node.promise, higher)
    }
}
