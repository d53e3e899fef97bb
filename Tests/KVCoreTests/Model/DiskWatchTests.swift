import XCTest

@testable import KVCore

final class DiskWatchTests: XCTestCase {
    private let options = ShardOptions()
    private var watch = DiskWatch()

    @discardableResult
    private func look(_ appended: LogPosition, _ durable: LogPosition, at milliseconds: UInt64) -> Bool {
        watch.look(
            appended: appended, durable: durable, now: Instant(nanoseconds: milliseconds * 1_000_000), options)
    }

    private func isResting(at milliseconds: UInt64) -> Bool {
        watch.isResting(at: Instant(nanoseconds: milliseconds * 1_000_000))
    }

    func testAnIdleDiskAndABusyOneAreWell() {
        XCTAssertFalse(look(0, 0, at: 0))
        XCTAssertFalse(look(5, 5, at: 5000))
        // More is appended than is durable at any time, but what there was becomes durable.
        for step in 1...100 as ClosedRange<UInt64> {
            XCTAssertFalse(look(5 + 10 * step, 10 * step - 5, at: 5000 + 100 * step))
        }
        XCTAssertFalse(watch.isStalled)
        XCTAssertFalse(isResting(at: 20_000))
    }

    func testItHasStalledWhenTheOldestAppendIsOld() {
        look(10, 9, at: 0)
        XCTAssertFalse(look(20, 9, at: 999))
        XCTAssertTrue(look(30, 9, at: 1000), "it changes")
        XCTAssertTrue(watch.isStalled)
        XCTAssertFalse(look(30, 9, at: 5000), "it is still so")
        XCTAssertTrue(look(30, 10, at: 6000), "what was waited for is durable")
        XCTAssertFalse(watch.isStalled)
        XCTAssertFalse(look(30, 10, at: 6999))
        XCTAssertTrue(look(30, 10, at: 7000), "and the rest is not")
    }

    func testEachStallIsFollowedByALongerRestUntilAllHasBeenWellForLong() {
        func stall(at start: UInt64) -> UInt64 {
            look(100, 99, at: start)
            look(100, 99, at: start + 1000)
            XCTAssertTrue(isResting(at: start + 1000))
            look(100, 100, at: start + 1500)
            return start + 1500
        }
        var end = stall(at: 0)
        XCTAssertTrue(isResting(at: end + 1999))
        XCTAssertFalse(isResting(at: end + 2000))
        end = stall(at: 10_000)
        XCTAssertTrue(isResting(at: end + 3999))
        XCTAssertFalse(isResting(at: end + 4000))
        for count in 1...10 as ClosedRange<UInt64> { end = stall(at: 10_000 + 300_000 * count) }
        XCTAssertTrue(isResting(at: end + 239_999), "no longer than this")
        XCTAssertFalse(isResting(at: end + 240_000))
        end = stall(at: 10_000_000)
        XCTAssertFalse(isResting(at: end + 2000), "the last was long ago")
    }
}
