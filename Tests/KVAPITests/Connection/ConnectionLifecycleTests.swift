import KVCore
import XCTest

@testable import KVAPI

/// Every event in every state of a connection's life.
final class ConnectionLifecycleTests: XCTestCase {
    private enum Event {
        case inputClosed, foreign, drain, end, closeOutput, outputClosed, closed
        /// Before the deadline, and at it.
        case early, late

        static let all: [Event] = [
            .inputClosed, .foreign, .drain, .end, .closeOutput, .outputClosed, .closed, .early, .late,
        ]
    }

    private static let now = Instant(nanoseconds: 0) + .milliseconds(1000)
    private static let much = Nanoseconds.milliseconds(1 << 40)

    private func times() -> ConnectionTimes {
        var times = ConnectionTimes()
        times.write = .milliseconds(60)
        times.linger = .milliseconds(5)
        times.drainingLinger = .milliseconds(1)
        return times
    }

    private func happens(_ event: Event, to life: inout ConnectionLifecycle) {
        switch event {
        case .inputClosed: life.inputClosed()
        case .foreign: life.inputIsForeign()
        case .drain: life.drain()
        case .end: life.end()
        case .closeOutput: _ = life.closeOutput(now: Self.now)
        case .outputClosed: life.outputClosed(now: Self.now)
        case .closed: life.closed()
        case .early:
            let before = life.deadline.map { Instant(nanoseconds: $0.nanoseconds - 1) }
            XCTAssertNil(life.timer(now: before ?? Self.now + Self.much))
        case .late:
            let isDue = life.deadline != nil
            XCTAssertEqual(life.timer(now: life.deadline ?? Self.now + Self.much), isDue ? .abort : nil)
        }
    }

    private func life(after events: [Event]) -> ConnectionLifecycle {
        var life = ConnectionLifecycle(times())
        for event in events { happens(event, to: &life) }
        return life
    }

    /// All that can be seen of a state, and of the way on from it to its end.
    private func description(_ life: ConnectionLifecycle) -> String {
        var life = life
        var words: [String] = []
        if life.isOpen { words.append("open") }
        if life.isDraining { words.append("draining") }
        if life.isInputClosed { words.append("input closed") }
        if life.isInputForeign { words.append("input foreign") }
        if life.isEnding { words.append("ending") }
        if life.discardsInput { words.append("discards input") }
        if life.isClosed { words.append("closed") }
        func deadline() -> String { life.deadline.map { "\(($0 - Self.now).milliseconds) ms" } ?? "no deadline" }
        words.append(deadline())
        if life.isOpen { life.end() }
        if life.isEnding { words.append("then \(life.closeOutput(now: Self.now)) and \(deadline())") }
        life.outputClosed(now: Self.now)
        words.append("then \(deadline())")
        return words.joined(separator: ", ")
    }

    private static let states: [(name: String, events: [Event])] = [
        ("open", []),
        ("open, input closed", [.inputClosed]),
        ("open, foreign", [.foreign]),
        ("open, draining", [.drain]),
        ("ending", [.end]),
        ("ending, input closed", [.inputClosed, .end]),
        ("ending, foreign", [.foreign, .end]),
        ("ending, draining", [.drain, .end]),
        ("closing output", [.end, .closeOutput]),
        ("closing output, draining", [.drain, .end, .closeOutput]),
        ("discarding", [.end, .closeOutput, .outputClosed]),
        ("discarding, draining", [.drain, .end, .closeOutput, .outputClosed]),
        ("closed", [.closed]),
        ("open, draining, input closed", [.drain, .inputClosed]),
        ("open, draining, foreign", [.drain, .foreign]),
        ("ending, draining, input closed", [.drain, .inputClosed, .end]),
        ("ending, draining, foreign", [.drain, .foreign, .end]),
    ]

    /// What becomes of each state at each event, in the order of `Event.all`: a dot where it stays as it is, and a dash
    /// where the event cannot come, which is asserted.
    private static let table: [(state: String, next: [String])] = [
        // inputClosed, foreign, drain, end, closeOutput, outputClosed, closed, early, late
        (
            "open",
            ["open, input closed", "open, foreign", "open, draining", "ending", "-", ".", "closed", ".", "."]
        ),
        (
            "open, input closed",
            [".", ".", "open, draining, input closed", "ending, input closed", "-", ".", "closed", ".", "."]
        ),
        (
            "open, foreign",
            ["open, input closed", ".", "open, draining, foreign", "ending, foreign", "-", ".", "closed", ".", "."]
        ),
        (
            "open, draining",
            [
                "open, draining, input closed", "open, draining, foreign", ".", "ending, draining", "-", ".", "closed",
                ".", ".",
            ]
        ),
        (
            "ending",
            ["ending, input closed", "-", "ending, draining", ".", "closing output", ".", "closed", ".", "."]
        ),
        (
            "ending, input closed",
            [".", "-", "ending, draining, input closed", ".", "closing output", ".", "closed", ".", "."]
        ),
        (
            "ending, foreign",
            [
                "ending, input closed", "-", "ending, draining, foreign", ".", "closing output", ".", "closed", ".",
                ".",
            ]
        ),
        (
            "ending, draining",
            [
                "ending, draining, input closed", "-", ".", ".", "closing output, draining", ".", "closed", ".", ".",
            ]
        ),
        (
            "closing output",
            [".", "-", "closing output, draining", "-", "-", "discarding", "closed", ".", "closed"]
        ),
        (
            "closing output, draining",
            [".", "-", ".", "-", "-", "discarding, draining", "closed", ".", "closed"]
        ),
        ("discarding", [".", "-", ".", "-", "-", ".", "closed", ".", "closed"]),
        ("discarding, draining", [".", "-", ".", "-", "-", ".", "closed", ".", "closed"]),
        ("closed", [".", "-", ".", "-", "-", ".", ".", ".", "."]),
    ]

    func testEveryEventInEveryState() throws {
        let states = Dictionary(uniqueKeysWithValues: Self.states.map { ($0.name, $0.events) })
        for (state, row) in Self.table {
            XCTAssertEqual(row.count, Event.all.count, state)
            for (event, next) in zip(Event.all, row) where next != "-" {
                var life = life(after: try XCTUnwrap(states[state], state))
                let expected = next == "." ? state : next
                happens(event, to: &life)
                XCTAssertEqual(
                    description(life), description(self.life(after: try XCTUnwrap(states[expected], expected))),
                    "\(event) in the state '\(state)'")
            }
        }
    }

    /// The table tells states apart by nothing else.
    func testWhatIsSeenOfStates() {
        let seen = Dictionary(
            uniqueKeysWithValues: Self.states.map { ($0.name, description(life(after: $0.events))) })
        let expected = [
            "open": "open, no deadline, then closeOutput and 60 ms, then 5 ms",
            "open, draining": "open, draining, no deadline, then closeOutput and 60 ms, then 1 ms",
            "open, input closed": "open, input closed, no deadline, then finish and 60 ms, then 5 ms",
            "open, foreign": "open, input foreign, no deadline, then finish and 60 ms, then 5 ms",
            "ending": "ending, no deadline, then closeOutput and 60 ms, then 5 ms",
            "ending, draining": "ending, no deadline, then closeOutput and 60 ms, then 1 ms",
            "ending, input closed": "ending, no deadline, then finish and 60 ms, then 5 ms",
            "ending, foreign": "ending, no deadline, then finish and 60 ms, then 5 ms",
            "closing output": "discards input, 60 ms, then 5 ms",
            "closing output, draining": "discards input, 60 ms, then 1 ms",
            "discarding": "discards input, 5 ms, then 5 ms",
            "discarding, draining": "discards input, 1 ms, then 1 ms",
            "closed": "closed, no deadline, then no deadline",
        ]
        for (state, text) in expected { XCTAssertEqual(seen[state], text, state) }
    }

    func testWritabilityIsKeptInEveryState() {
        for (name, events) in Self.states {
            var life = life(after: events)
            XCTAssertTrue(life.isWritable, name)
            life.isWritable = false
            let before = description(life)
            life.isWritable = true
            XCTAssertEqual(description(life), before, name)
        }
    }
}
