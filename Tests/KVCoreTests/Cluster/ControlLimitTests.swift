import KVCore
import XCTest

/// Tests the limit on operators' requests that wait.
final class ControlLimitTests: XCTestCase {
    private func machine() -> SingleMachine {
        var options = ClusterOptions()
        options.maximumControls = 3
        return SingleMachine(options: options)
    }

    private func ask(_ single: inout SingleMachine, _ id: UInt64) -> [ClusterEffect] {
        single.give(.control(RequestID(id), .status, deadline: single.now.monotonic + .milliseconds(5000)))
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
        var single = machine()
        for id in 1...3 as ClosedRange<UInt64> { XCTAssertEqual(ask(&single, id).answers, []) }
        assertRefused(ask(&single, 4))
        XCTAssertEqual(single.give(2, .controlReply(RequestID(2), .plan(nil))).answers, [.plan(nil)])
        XCTAssertEqual(ask(&single, 5).answers, [])
        assertRefused(ask(&single, 6))
    }

    /// At the coordinator, which cannot reach its majority: their deadlines make room, whoever asked.
    func testTheCoordinatorKeepsSoMany() {
        var single = machine()
        _ = single.give(.leading(true))
        for id in 1...2 as ClosedRange<UInt64> { XCTAssertEqual(ask(&single, id).answers, []) }
        XCTAssertEqual(single.give(2, .control(RequestID(3), .status)).sent, [])
        assertRefused(ask(&single, 4))
        guard
            case .controlReply(let id, .refused(.noCoordinator, _))? = single.give(3, .control(RequestID(5), .status))
                .sent.first?
                .message
        else { return XCTFail("another node's is not refused") }
        XCTAssertEqual(id, RequestID(5))
        XCTAssertEqual(single.wait(5001).answers.count, 2, "they have waited too long")
        XCTAssertEqual(ask(&single, 6).answers, [])
    }
}
