import XCTest

@testable import KVBench

final class ScheduleTests: XCTestCase {
    func testOperationsAreEvenlySpaced() {
        var schedule = Schedule(rate: 1000, start: 5_000_000)
        XCTAssertNil(schedule.take(now: 4_999_999))
        XCTAssertEqual(schedule.take(now: 5_000_000), 5_000_000)
        XCTAssertNil(schedule.take(now: 5_999_999))
        XCTAssertEqual(schedule.next, 6_000_000)
        XCTAssertEqual(schedule.take(now: 6_000_001), 6_000_000)
    }

    /// If the store stalls for a second, that shows in the latency of each operation that was due in it.
    func testNoneIsLeftOutWhenLate() {
        var schedule = Schedule(rate: 1000, start: 0)
        let now: UInt64 = 1_000_000_000
        XCTAssertEqual(schedule.backlog(now: now), 1001)
        var latencies: [UInt64] = []
        while let start = schedule.take(now: now) { latencies.append(now - start) }
        XCTAssertEqual(latencies.count, 1001)
        XCTAssertEqual(latencies.first, now)
        XCTAssertEqual(latencies.last, 0)
        XCTAssertEqual(latencies.reduce(0, +) / 1001, now / 2)
        XCTAssertEqual(schedule.backlog(now: now), 0)
    }

    func testOddRatesDoNotDrift() {
        var schedule = Schedule(rate: 30_000, start: 0)
        var count = 0
        while schedule.take(now: 10_000_000_000) != nil { count += 1 }
        XCTAssertEqual(count, 300_001)
    }

    func testThreadsTakeTurns() {
        let schedules = (0..<4).map { Schedule(rate: 250, start: 0, offset: Double($0) / 4) }
        XCTAssertEqual(schedules.map(\.next), [0, 1_000_000, 2_000_000, 3_000_000])
    }
}
