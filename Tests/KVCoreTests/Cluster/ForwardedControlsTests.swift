import KVCore
import XCTest

/// Tests operators' requests at a node that is not the coordinator.
final class ForwardedControlsTests: XCTestCase {
    private let leave = ControlRequest.change(MembershipChange(leaves: ["n3"]), isDryRun: false)
    private let id = RequestID(77)

    private func control(_ single: inout SingleMachine, _ request: ControlRequest) -> [ClusterEffect] {
        single.give(.control(id, request, deadline: single.now.monotonic + .milliseconds(5000)))
    }

    private func asks(_ request: ControlRequest, _ node: Int) -> [Sent] {
        [Sent(to: node, message: .control(id, request))]
    }

    func testFollowsHintsAndPassesTheAnswerOn() {
        var single = SingleMachine()
        XCTAssertEqual(control(&single, leave).sent, asks(leave, 2))
        XCTAssertEqual(single.give(2, .controlReply(id, .notCoordinator(hint: NodeNumber(3)))).sent, asks(leave, 3))
        XCTAssertEqual(single.give(3, .controlReply(id, .plan(nil))).answers, [.plan(nil)])
        XCTAssertEqual(single.give(3, .controlReply(id, .plan(nil))).answers, [], "once only")
        XCTAssertEqual(control(&single, leave).sent, asks(leave, 3), "it is known now")
    }

    func testAChangeIsSentToNobodyElseOnceItMayHaveBegun() {
        var single = SingleMachine()
        XCTAssertEqual(control(&single, leave).sent, asks(leave, 2))
        for _ in 0..<49 { XCTAssertEqual(single.wait(100).count, 0) }
        XCTAssertEqual(single.wait(100).answers, [.unknown])
    }

    func testAChangeIsUnknownWhenWhoWasAskedDies() {
        var single = SingleMachine()
        _ = control(&single, leave)
        XCTAssertEqual(single.give(.liveness(NodeNumber(3), .dead)).answers, [])
        XCTAssertEqual(single.give(.liveness(NodeNumber(2), .dead)).answers, [.unknown])
    }

    func testAQuestionIsAskedAgainElsewhere() {
        var single = SingleMachine()
        XCTAssertEqual(control(&single, .status).sent, asks(.status, 2))
        XCTAssertEqual(single.wait(1000).sent, asks(.status, 3))
        XCTAssertEqual(single.wait(1000).sent, [], "everyone was asked in this round")
        XCTAssertEqual(single.wait(1000).sent, asks(.status, 2))
        guard case .refused(.noCoordinator, let message)? = single.wait(2000).answers.first else {
            return XCTFail("not refused")
        }
        XCTAssertTrue(message.contains("n1, n2, n3"), message)
    }

    func testAPauseThatNobodyAnsweredIsUnknown() {
        var single = SingleMachine()
        _ = control(&single, .pause)
        XCTAssertEqual(single.wait(1000).sent, asks(.pause, 3))
        XCTAssertEqual(single.give(3, .controlReply(id, .notCoordinator(hint: nil))).answers, [])
        XCTAssertEqual(single.wait(4000).answers, [.unknown], "the first may have done it")
    }

    func testAsksAgainWhileNobodyLeads() {
        var single = SingleMachine()
        _ = control(&single, leave)
        XCTAssertEqual(single.give(2, .controlReply(id, .notCoordinator(hint: nil))).sent, asks(leave, 3))
        XCTAssertEqual(
            single.give(3, .controlReply(id, .notCoordinator(hint: NodeNumber(2)))).sent, [], "it has said no already")
        XCTAssertEqual(single.wait(1000).sent, asks(leave, 2))
        XCTAssertEqual(single.give(2, .controlReply(id, .notCoordinator(hint: nil))).sent, asks(leave, 3))
        XCTAssertEqual(single.give(3, .controlReply(id, .notCoordinator(hint: nil))).sent, [])
        guard case .refused(.noCoordinator, _)? = single.wait(4000).answers.first else {
            return XCTFail("nothing was changed")
        }
    }

    func testNothingIsSentToWhoIsSuspected() {
        var single = SingleMachine()
        _ = single.give(.liveness(NodeNumber(2), .suspect))
        XCTAssertEqual(control(&single, leave).sent, asks(leave, 3))
    }

    func testIsCarriedOutHereWhenThisNodeBecomesTheCoordinator() {
        var single = SingleMachine(me: 2)
        _ = single.give(.liveness(NodeNumber(1), .dead))
        _ = single.give(.liveness(NodeNumber(3), .dead))
        XCTAssertEqual(control(&single, .status).sent, [], "there is nobody to ask")
        let read = single.give(.leading(true)).requests
        XCTAssertEqual(read.map(\.command), [.get])
        XCTAssertEqual(single.give(.outcome(read[0].id, .absent)).answers, [.plan(nil)])
    }

    func testWhoDoesNotLeadSaysSo() {
        var single = SingleMachine()
        let told = single.give(3, .control(id, .status)).sent
        XCTAssertEqual(told, [Sent(to: 3, message: .controlReply(id, .notCoordinator(hint: nil)))])
    }

    func testWhatHasNotBegunIsGivenBackWhenTheLeadIsLost() {
        var single = SingleMachine()
        _ = single.give(.leading(true))
        XCTAssertEqual(single.give(3, .control(RequestID(5), leave)).sent, [])
        XCTAssertEqual(control(&single, leave).sent, [])
        XCTAssertEqual(
            Set(single.give(.leading(false)).sent.map(\.to)), [2, 3], "its own goes elsewhere, the other's goes back")
    }

    func testWhatHasBegunIsUnknownWhenTheLeadIsLost() {
        var single = SingleMachine()
        let read = single.give(.leading(true)).requests
        _ = single.give(.outcome(read[0].id, .absent))
        let write = control(&single, leave).requests
        XCTAssertEqual(write.count, 1)
        XCTAssertEqual(single.give(.leading(false)).answers, [.unknown])
        XCTAssertEqual(single.give(.outcome(write[0].id, .refused(.noLeader))).count, 0)
    }

    /// A coordinator whose write of `leave` ended as unknown, the read that follows, and what it had put.
    private func inDoubt() -> (single: SingleMachine, read: UInt64, put: Put)? {
        var single = SingleMachine()
        let read = single.give(.leading(true)).requests
        _ = single.give(.outcome(read[0].id, .absent))
        guard let write = control(&single, leave).requests.first, case .put(let put) = write.command else { return nil }
        let again = single.give(.outcome(write.id, .unknown(.timedOut))).requests
        guard again.map(\.command) == [.get] else { return nil }
        return (single, again[0].id, put)
    }

    func testAChangeInDoubtIsNotMadeAgain() throws {
        var (single, read, _) = try XCTUnwrap(inDoubt())
        let effects = single.give(.outcome(read, .absent))
        XCTAssertEqual(effects.answers, [.unknown])
        XCTAssertEqual(effects.requests.count, 0)
    }

    func testAChangeInDoubtIsDoneWhereTheRegisterHoldsIt() throws {
        var (single, read, put) = try XCTUnwrap(inDoubt())
        let record = Record(version: Version("1.1.1") ?? .zero, value: put.value)
        let effects = single.give(.outcome(read, .found(record)))
        guard case .plan(let status?)? = effects.answers.first else { return XCTFail("\(effects.answers)") }
        XCTAssertEqual(status.leaving, ["n3"])
        XCTAssertEqual(effects.persisted, [2])
        XCTAssertEqual(Set(effects.sent.map(\.to)), [2, 3], "it is chosen, and passed on")
    }

    func testAChangeThatWasRefusedIsTriedAgain() throws {
        var single = SingleMachine()
        let read = single.give(.leading(true)).requests
        _ = single.give(.outcome(read[0].id, .absent))
        let write = try XCTUnwrap(control(&single, leave).requests.first)
        XCTAssertEqual(single.give(.outcome(write.id, .refused(.noLeader))).answers, [])
        let again = try XCTUnwrap(single.wait(1000).requests.first)
        XCTAssertEqual(again.command, .get)
        XCTAssertEqual(single.give(.outcome(again.id, .absent)).requests.count, 1)
    }
}
