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

    func testAPhaseEndsWhenTimeIsUpOrOperationsAre() {
        var recorder = Recorder()
        for _ in 0..<100 { recorder.done(.read, nanoseconds: 1_000_000) }
        var timed = Window(from: 0)
        timed.restart(now: 1_000_000_000)
        timed.close(now: 3_000_000_000, recorder, nil)
        // Operations that end later count for latencies only.
        recorder.done(.read, nanoseconds: 5_000_000)
        let figures = timed.figures(recorder, now: 9_000_000_000)
        XCTAssertEqual(figures.throughput, 50)
        XCTAssertEqual(figures.seconds, 2)
        XCTAssertEqual(figures.recorder.done, 101)
        var exhausted = Window(from: 0)
        exhausted.exhaust()
        exhausted.close(now: 1, recorder, nil)
        XCTAssertEqual(exhausted.figures(recorder, now: 2_000_000_000).throughput, 50.5)
    }

    func testWhatWasNeverBegunIsSaid() {
        var schedule = Schedule(rate: 100, start: 0)
        for _ in 0..<50 { _ = schedule.take(now: 1_000_000_000) }
        var window = Window(from: 0)
        window.close(now: 1_000_000_000, Recorder(), schedule)
        XCTAssertEqual(window.figures(Recorder(), now: 1_000_000_000).backlog, 50)
    }
}
