import KVCore
import XCTest

/// More operators' requests than may wait.
final class ControlLimitTests: XCTestCase {
    private func machine() -> LoneMachine {
        var options = ClusterOptions()
        options.maximumControls = 3
        return LoneMachine(options: options)
    }

    private func ask(_ lone: inout LoneMachine, _ id: UInt64) -> [ClusterEffect] {
        lone.give(.control(RequestID(id), .status, deadline: lone.now.monotonic + .milliseconds(5000)))
    }

    private func assertRefused(_ effects: [ClusterEffect], line: UInt = #line) {
        guard case .refused(.noCoordinator, let message)? = effects.answers.first else {
            return XCTFail("not refused", line: line)
        }
        XCTAssertEqual(message, "3 requests wait for the coordinator already: ask again in a moment", line: line)
        XCTAssertEqual(effects.count, 1, "and nobody is asked", line: line)
    }

    /// At a node that passes them on: an answer makes room.
    func testWhoPassesThemOnKeepsSoMany() {
        var lone = machine()
        for id in 1...3 as ClosedRange<UInt64> { XCTAssertEqual(ask(&lone, id).answers, []) }
        assertRefused(ask(&lone, 4))
        XCTAssertEqual(lone.give(2, .controlReply(RequestID(2), .plan(nil))).answers, [.plan(nil)])
        XCTAssertEqual(ask(&lone, 5).answers, [])
        assertRefused(ask(&lone, 6))
    }

    /// At the coordinator, which cannot reach its majority: their deadlines make room, whoever asked.
    func testTheCoordinatorKeepsSoMany() {
        var lone = machine()
        _ = lone.give(.leading(true))
        for id in 1...2 as ClosedRange<UInt64> { XCTAssertEqual(ask(&lone, id).answers, []) }
        XCTAssertEqual(lone.give(2, .control(RequestID(3), .status)).sent, [])
        assertRefused(ask(&lone, 4))
        guard
            case .controlReply(let id, .refused(.noCoordinator, _))? = lone.give(3, .control(RequestID(5), .status))
                .sent.first?
                .message
        else { return XCTFail("another node's is not refused") }
        XCTAssertEqual(id, RequestID(5))
        XCTAssertEqual(lone.wait(5001).answers.count, 2, "they have waited too long")
        XCTAssertEqual(ask(&lone, 6).answers, [])
    }
}
