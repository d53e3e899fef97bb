import XCTest

@testable import KVCore

final class OwnClockTests: XCTestCase {
    private var clock = OwnClock(now: at(0), maximumStep: .milliseconds(250))

    func testTimeThatIsLivedCounts() {
        for time in stride(from: UInt64(50), through: 1000, by: 50) {
            XCTAssertEqual(clock.advance(to: at(time), isTick: true), .zero)
        }
        XCTAssertEqual(clock.time, at(1000))
    }

    func testAPauseDoesNot() {
        XCTAssertEqual(clock.advance(to: at(10_000), isTick: true), .milliseconds(10_000))
        XCTAssertEqual(clock.time, at(0))
        XCTAssertEqual(clock.advance(to: at(10_050), isTick: true), .zero)
        XCTAssertEqual(clock.time, at(50))
    }

    func testAlwaysBeingLateDoesInTheEnd() {
        for tick in 1...5 as ClosedRange<UInt64> {
            _ = clock.advance(to: at(tick * 1000), isTick: true)
            // A call between two ticks does not make the next tick count as the first late one again.
            _ = clock.advance(to: at(tick * 1000 + 1), isTick: false)
        }
        XCTAssertEqual(clock.time.nanoseconds, at(1000 + 5).nanoseconds)
    }

    func testTimeDoesNotRunBackwards() {
        _ = clock.advance(to: at(100), isTick: true)
        _ = clock.advance(to: at(50), isTick: true)
        _ = clock.advance(to: at(150), isTick: true)
        XCTAssertEqual(clock.time, at(150))
    }
}

private func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }
