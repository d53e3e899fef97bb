import KVCore
import XCTest

final class DurationConversionTests: XCTestCase {
    func testDurationsBecomeNanoseconds() {
        let cases: [(Duration, UInt64)] = [
            (.zero, 0), (.nanoseconds(1), 1), (.milliseconds(1500), 1_500_000_000),
            // Rounded down.
            (Duration(secondsComponent: 0, attosecondsComponent: 1_999_999_999), 1),
            // Never negative.
            (.nanoseconds(-1), 0), (.seconds(Int64.min), 0), (Duration(attoseconds: .min), 0),
            // Never more than 64 bits hold. The last one has more seconds than `components` could tell.
            (.nanoseconds(UInt64.max), .max), (.nanoseconds(UInt64.max) + .nanoseconds(1), .max),
            (.seconds(Int64.max), .max), (Duration(attoseconds: .max), .max),
        ]
        for (duration, nanoseconds) in cases { XCTAssertEqual(Nanoseconds(duration).nanoseconds, nanoseconds) }
    }

    func testNanosecondsBecomeDurations() {
        for nanoseconds in [0, 1, 999_999_999, 1_000_000_000, UInt64(Int64.max) + 1, .max] {
            let time = Nanoseconds(nanoseconds: nanoseconds)
            XCTAssertEqual(Duration(time).attoseconds, Int128(nanoseconds) * 1_000_000_000)
            XCTAssertEqual(Nanoseconds(Duration(time)), time)
        }
    }
}
