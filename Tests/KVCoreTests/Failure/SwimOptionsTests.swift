import XCTest

@testable import KVCore

final class SwimOptionsTests: XCTestCase {
    private let options = SwimOptions()

    func testADefaultProbeFailsInTimeForASuspicionWithinTwoIntervals() {
        // A turn, the probe, and a tick's delay each of its start, its escalation and its end.
        let worst =
            options.probeInterval.milliseconds + options.probeTimeout.milliseconds + 3 * options.timer.milliseconds
        XCTAssertEqual(worst, 1850)
        let helped = options.directTimeout.milliseconds + options.relayTimeout.milliseconds
        XCTAssertLessThan(helped + 2 * options.timer.milliseconds, options.probeTimeout.milliseconds)
    }

    func testSuspicionsShrinkWithConfirmationsAndGrowWithTheLogarithmOfTheMembers() {
        func milliseconds(_ confirmations: Int, _ others: Int, _ members: Int) -> UInt64 {
            options.suspicion(confirmations: confirmations, others: others, members: members).milliseconds
        }
        XCTAssertEqual(milliseconds(0, 0, 2), 3000)
        XCTAssertEqual(milliseconds(0, 1, 3), 18_000)
        XCTAssertEqual(milliseconds(1, 1, 3), 3000)
        XCTAssertEqual((0...4).map { milliseconds($0, 8, 10) }, [18_000, 10_500, 6750, 3000, 3000])
        XCTAssertEqual(Double(milliseconds(3, 98, 100)), 6000, accuracy: 100)
        XCTAssertEqual(Double(milliseconds(3, 998, 1000)), 9000, accuracy: 100)
    }

    func testLogarithms() {
        XCTAssertEqual([0, 1, 2, 3, 4, 5, 1000, 1024, 1025].map(Logarithm.ceiling), [0, 0, 1, 2, 2, 3, 10, 10, 11])
        XCTAssertEqual([0, 1, 2, 3, 4, 6, 1024].map(Logarithm.hundredths), [0, 0, 100, 150, 200, 250, 1000])
    }

    func testShorterIntervalsScaleEverythingAndHaveALeast() {
        let quick = SwimOptions(probeInterval: .milliseconds(100))
        XCTAssertEqual(quick.timer, .milliseconds(5))
        XCTAssertEqual(quick.suspicionTimeout, .milliseconds(300))
        XCTAssertEqual(SwimOptions(probeInterval: .zero).probeInterval, SwimOptions.minimumInterval)
        XCTAssertEqual(SwimOptions(probeInterval: .milliseconds(10_000)).timer, .milliseconds(50))
    }

    func testSpansScaleWithoutOverflow() {
        XCTAssertEqual(Nanoseconds(nanoseconds: .max).scaled(3, over: 3), Nanoseconds(nanoseconds: .max))
        XCTAssertEqual(Nanoseconds(nanoseconds: .max).scaled(3, over: 2), Nanoseconds(nanoseconds: .max))
        XCTAssertEqual(Nanoseconds(nanoseconds: 10).scaled(2, over: 3), Nanoseconds(nanoseconds: 6))
    }
}
