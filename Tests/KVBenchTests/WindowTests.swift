import Foundation
import XCTest

@testable import KVBench

final class WindowTests: XCTestCase {
    private static let second: UInt64 = 1_000_000_000

    private func source(_ readRatio: Double = 1, operations: Int = .max) -> WorkloadSource {
        WorkloadSource(
            WorkloadMix(readRatio: readRatio), .uniform, keys: 1000, operations: operations, seed: 1, thread: 0, of: 1)
    }

    func testAPhaseEndsWhenTimeIsUpOrOperationsAre() {
        var recorder = Recorder()
        for _ in 0..<100 { recorder.done(.read, nanoseconds: 1_000_000) }
        var timed = Window(from: 0)
        timed.restart(now: Self.second)
        timed.close(now: 3 * Self.second, recorder, nil, source())
        // Operations that end later count for latencies only.
        recorder.done(.read, nanoseconds: 5_000_000)
        let figures = timed.figures(recorder, now: 9 * Self.second)
        XCTAssertEqual(figures.throughput, 50)
        XCTAssertEqual(figures.seconds, 2)
        XCTAssertEqual(figures.recorder.done, 101)
        var exhausted = Window(from: 0)
        exhausted.exhaust()
        exhausted.close(now: 1, recorder, nil, source())
        XCTAssertEqual(exhausted.figures(recorder, now: 2 * Self.second).throughput, 50.5)
    }

    /// A store that serves 50 of 100 operations at once and then stops: half of all operations have waited up to half a
    /// second at the end, and the percentiles say so.
    func testWhatWasNeverBegunCountsWithTheTimeItHasWaited() throws {
        var schedule = Schedule(rate: 100, start: 0)
        var recorder = Recorder()
        for _ in 0..<50 {
            let start = try XCTUnwrap(schedule.take(now: Self.second))
            XCTAssertLessThan(start, Self.second / 2)
            recorder.done(.read, nanoseconds: 1_000_000)
        }
        var window = Window(from: 0)
        window.close(now: Self.second, recorder, schedule, source())
        let found = window.figures(recorder, now: Self.second).recorder
        XCTAssertEqual(found.neverBegun, 50)
        XCTAssertEqual(found.done, 50)
        XCTAssertEqual(found.done(.read), 50)
        let latencies = found.allLatencies
        XCTAssertEqual(latencies.totalCount, 100)
        // The first of them was due at 500 ms, the last at 990 ms.
        XCTAssertEqual(Double(latencies.max) / 1e6, 500, accuracy: 1)
        XCTAssertEqual(Double(latencies.valueAtPercentile(75)) / 1e6, 250, accuracy: 10)
        XCTAssertEqual(Double(latencies.valueAtPercentile(51)) / 1e6, 10, accuracy: 1)
        XCTAssertEqual(Double(latencies.valueAtPercentile(50)) / 1e6, 1, accuracy: 0.1)
    }

    /// The waits begin at the intended start, also of operations that were due during the warm-up.
    func testTheWaitIsFromTheIntendedStart() {
        let schedule = Schedule(rate: 1000, start: 0)
        var window = Window(from: 0)
        window.restart(now: Self.second)
        window.close(now: 2 * Self.second, Recorder(), schedule, source())
        let found = window.figures(Recorder(), now: 2 * Self.second).recorder
        // What was due in the last 10 ms was about to begin.
        XCTAssertEqual(found.neverBegun, 1991)
        XCTAssertEqual(Double(found.allLatencies.max) / 1e6, 2000, accuracy: 2)
        XCTAssertEqual(Double(found.allLatencies.min) / 1e6, 10, accuracy: 0.1)
    }

    func testTheyAreOfTheKindsThatWouldHaveBegun() {
        var window = Window(from: 0)
        window.close(now: Self.second, Recorder(), Schedule(rate: 10_000, start: 0), source(0.75))
        let found = window.figures(Recorder(), now: Self.second).recorder
        XCTAssertEqual(found.neverBegun, 9901)
        XCTAssertEqual(found.done, 0)
        XCTAssertEqual(Double(found.latencies(of: .read).totalCount) / 9901, 0.75, accuracy: 0.03)
        XCTAssertEqual(found.latencies(of: .read).totalCount + found.latencies(of: .update).totalCount, 9901)
    }

    /// A run of 100 operations at 1000 a second cannot be 1000 behind.
    func testNoMoreAreCountedThanThereWereToBegin() {
        var window = Window(from: 0)
        window.close(now: Self.second, Recorder(), Schedule(rate: 1000, start: 0), source(operations: 100))
        let found = window.figures(Recorder(), now: Self.second).recorder
        XCTAssertEqual(found.neverBegun, 100)
        XCTAssertEqual(Double(found.allLatencies.min) / 1e6, 901, accuracy: 1)
        var load = LoadSource(keys: 100, thread: 1, of: 3)
        XCTAssertEqual(load.left, 33)
        while load.next() != nil {}
        XCTAssertEqual(load.left, 0)
    }

    /// More than `Backlog.mostGroups` operations are recorded in groups, with nearly the same result.
    func testALargeBacklogIsRecordedInGroups() {
        let (rate, count) = (10_000_000.0, 25 * Backlog.mostGroups + 7)
        var backlog = Backlog(count: count, schedule: Schedule(rate: rate, start: 0), source: source())
        var recorder = Recorder()
        let until = UInt64(Double(count) / rate * 1e9)
        backlog.record(in: &recorder, until: until)
        XCTAssertEqual(recorder.neverBegun, count)
        XCTAssertEqual(recorder.allLatencies.totalCount, UInt64(count))
        for percentile in [1.0, 25, 50, 90, 99, 100] {
            XCTAssertEqual(
                Double(recorder.allLatencies.valueAtPercentile(percentile)), Double(until) * percentile / 100,
                accuracy: Double(until) * 0.002, "\(percentile)")
        }
    }

    func testThreadsAddUpAndAWarmUpIsForgotten() {
        var (one, two) = (Recorder(), Recorder())
        one.neverBegun(.read, waited: 1000, count: 2)
        two.neverBegun(.update, waited: 1000, count: 3)
        two.done(.update, nanoseconds: 10)
        one.add(two)
        XCTAssertEqual([one.neverBegun, one.done, one.done(.update)], [5, 1, 1])
        one.reset()
        XCTAssertEqual([one.neverBegun, one.done], [0, 0])
    }
}
