import KVCore
import XCTest

/// An operator's request at a node that is not the coordinator.
final class ForwardedControlsTests: XCTestCase {
    private let leave = ControlRequest.change(MembershipChange(leaves: ["n3"]), isDryRun: false)
    private let id = RequestID(77)

    private func control(_ lone: inout LoneMachine, _ request: ControlRequest) -> [ClusterEffect] {
        lone.give(.control(id, request, deadline: lone.now.monotonic + .milliseconds(5000)))
    }

    private func asks(_ request: ControlRequest, _ node: Int) -> [Sent] {
        [Sent(to: node, message: .control(id, request))]
    }

    func testFollowsHintsAndPassesTheAnswerOn() {
        var lone = LoneMachine()
        XCTAssertEqual(control(&lone, leave).sent, asks(leave, 2))
        XCTAssertEqual(lone.give(2, .controlReply(id, .notCoordinator(hint: NodeNumber(3)))).sent, asks(leave, 3))
        XCTAssertEqual(lone.give(3, .controlReply(id, .plan(nil))).answers, [.plan(nil)])
        XCTAssertEqual(lone.give(3, .controlReply(id, .plan(nil))).answers, [], "once only")
        XCTAssertEqual(control(&lone, leave).sent, asks(leave, 3), "it is known now")
    }

    func testAChangeIsSentToNobodyElseOnceItMayHaveBegun() {
        var lone = LoneMachine()
        XCTAssertEqual(control(&lone, leave).sent, asks(leave, 2))
        for _ in 0..<49 { XCTAssertEqual(lone.wait(100).count, 0) }
        XCTAssertEqual(lone.wait(100).answers, [.unknown])
    }

    func testAChangeIsUnknownWhenWhoWasAskedDies() {
        var lone = LoneMachine()
        _ = control(&lone, leave)
        XCTAssertEqual(lone.give(.liveness(NodeNumber(3), .dead)).answers, [])
        XCTAssertEqual(lone.give(.liveness(NodeNumber(2), .dead)).answers, [.unknown])
    }

    func testAQuestionIsAskedAgainElsewhere() {
        var lone = LoneMachine()
        XCTAssertEqual(control(&lone, .status).sent, asks(.status, 2))
        XCTAssertEqual(lone.wait(1000).sent, asks(.status, 3))
        XCTAssertEqual(lone.wait(1000).sent, [], "everyone was asked in this round")
        XCTAssertEqual(lone.wait(1000).sent, asks(.status, 2))
        guard case .refused(.noCoordinator, let message)? = lone.wait(2000).answers.first else {
            return XCTFail("not refused")
        }
        XCTAssertTrue(message.contains("n1, n2, n3"), message)
    }

    func testAPauseThatNobodyAnsweredIsUnknown() {
        var lone = LoneMachine()
        _ = control(&lone, .pause)
        XCTAssertEqual(lone.wait(1000).sent, asks(.pause, 3))
        XCTAssertEqual(lone.give(3, .controlReply(id, .notCoordinator(hint: nil))).answers, [])
        XCTAssertEqual(lone.wait(4000).answers, [.unknown], "the first may have done it")
    }

    func testAsksAgainWhileNobodyLeads() {
        var lone = LoneMachine()
        _ = control(&lone, leave)
        XCTAssertEqual(lone.give(2, .controlReply(id, .notCoordinator(hint: nil))).sent, asks(leave, 3))
        XCTAssertEqual(
            lone.give(3, .controlReply(id, .notCoordinator(hint: NodeNumber(2)))).sent, [], "it has said no already")
        XCTAssertEqual(lone.wait(1000).sent, asks(leave, 2))
        XCTAssertEqual(lone.give(2, .controlReply(id, .notCoordinator(hint: nil))).sent, asks(leave, 3))
        XCTAssertEqual(lone.give(3, .controlReply(id, .notCoordinator(hint: nil))).sent, [])
        guard case .refused(.noCoordinator, _)? = lone.wait(4000).answers.first else {
            return XCTFail("nothing was changed")
        }
    }

    func testNothingIsSentToWhoIsSuspected() {
        var lone = LoneMachine()
        _ = lone.give(.liveness(NodeNumber(2), .suspect))
        XCTAssertEqual(control(&lone, leave).sent, asks(leave, 3))
    }

    func testIsCarriedOutHereWhenThisNodeBecomesTheCoordinator() {
        var lone = LoneMachine(me: 2)
        _ = lone.give(.liveness(NodeNumber(1), .dead))
        _ = lone.give(.liveness(NodeNumber(3), .dead))
        XCTAssertEqual(control(&lone, .status).sent, [], "there is nobody to ask")
        let read = lone.give(.leading(true)).requests
        XCTAssertEqual(read.map(\.command), [.get])
        XCTAssertEqual(lone.give(.outcome(read[0].id, .absent)).answers, [.plan(nil)])
    }

    func testWhoDoesNotLeadSaysSo() {
        var lone = LoneMachine()
        let told = lone.give(3, .control(id, .status)).sent
        XCTAssertEqual(told, [Sent(to: 3, message: .controlReply(id, .notCoordinator(hint: nil)))])
    }

    func testWhatHasNotBegunIsGivenBackWhenTheLeadIsLost() {
        var lone = LoneMachine()
        _ = lone.give(.leading(true))
        XCTAssertEqual(lone.give(3, .control(RequestID(5), leave)).sent, [])
        XCTAssertEqual(control(&lone, leave).sent, [])
        XCTAssertEqual(
            Set(lone.give(.leading(false)).sent.map(\.to)), [2, 3], "its own goes elsewhere, the other's goes back")
    }

    func testWhatHasBegunIsUnknownWhenTheLeadIsLost() {
        var lone = LoneMachine()
        let read = lone.give(.leading(true)).requests
        _ = lone.give(.outcome(read[0].id, .absent))
        let write = control(&lone, leave).requests
        XCTAssertEqual(write.count, 1)
        XCTAssertEqual(lone.give(.leading(false)).answers, [.unknown])
        XCTAssertEqual(lone.give(.outcome(write[0].id, .refused(.noLeader))).count, 0)
    }

    /// A coordinator whose write of `leave` ended as unknown, the read that follows, and what it had put.
    private func inDoubt() -> (lone: LoneMachine, read: UInt64, put: Put)? {
        var lone = LoneMachine()
        let read = lone.give(.leading(true)).requests
        _ = lone.give(.outcome(read[0].id, .absent))
        guard let write = control(&lone, leave).requests.first, case .put(let put) = write.command else { return nil }
        let again = lone.give(.outcome(write.id, .unknown(.timedOut))).requests
        guard again.map(\.command) == [.get] else { return nil }
        return (lone, again[0].id, put)
    }

    func testAChangeInDoubtIsNotMadeAgain() throws {
        var (lone, read, _) = try XCTUnwrap(inDoubt())
        let effects = lone.give(.outcome(read, .absent))
        XCTAssertEqual(effects.answers, [.unknown])
        XCTAssertEqual(effects.requests.count, 0)
    }

    func testAChangeInDoubtIsDoneWhereTheRegisterHoldsIt() throws {
        var (lone, read, put) = try XCTUnwrap(inDoubt())
        let record = Record(version: Version("1.1.1") ?? .zero, value: put.value)
        let effects = lone.give(.outcome(read, .found(record)))
        guard case .plan(let status?)? = effects.answers.first else { return XCTFail("\(effects.answers)") }
        XCTAssertEqual(status.leaving, ["n3"])
        XCTAssertEqual(effects.persisted, [2])
        XCTAssertEqual(Set(effects.sent.map(\.to)), [2, 3], "it is chosen, and passed on")
    }

    func testAChangeThatWasRefusedIsTriedAgain() throws {
        var lone = LoneMachine()
        let read = lone.give(.leading(true)).requests
        _ = lone.give(.outcome(read[0].id, .absent))
        let write = try XCTUnwrap(control(&lone, leave).requests.first)
        XCTAssertEqual(lone.give(.outcome(write.id, .refused(.noLeader))).answers, [])
        let again = try XCTUnwrap(lone.wait(1000).requests.first)
        XCTAssertEqual(again.command, .get)
        XCTAssertEqual(lone.give(.outcome(again.id, .absent)).requests.count, 1)
    }
}
