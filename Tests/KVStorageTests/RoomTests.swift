import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

/// The disk that a store takes while its keys are overwritten again and again: at any moment at most twice what is
/// needed and two segments.
final class RoomTests: XCTestCase {
    /// Which key is overwritten next, of so many.
    private typealias Choice = @Sendable (_ random: inout SplitMix, _ keys: Int, _ round: Int) -> Int

    private static let choices: [(name: String, choice: Choice)] = [
        ("at random", { random, keys, _ in Int(random.next() % UInt64(keys)) }),
        ("in order", { _, keys, round in round % keys }),
        (
            "nine of ten among a tenth",
            { random, keys, _ in
                let few = max(keys / 10, 1)
                return Int(random.next() % 10 < 9 ? random.next() % UInt64(few) : random.next() % UInt64(keys))
            }
        ),
    ]

    /// What a run of overwrites has taken.
    private struct Outcome {
        /// The largest excess of the files' bytes over twice the live bytes, in segments.
        var segmentsBeyond = -Double.infinity
        /// Bytes written for each byte put.
        var amplification = 0.0
        /// How often a commit had to wait for merging.
        var holds = 0
    }

    /// Overwrites 150 bytes at a time, eight in a commit.
    /// - Parameter slowness: the number of commits during which a step of maintenance is under way.
    private func overwrite(
        _ fixture: StoreFixture, keys: Int, rounds: Int, slowness: Int, _ choice: Choice
    ) throws -> Outcome {
        var (outcome, random) = (Outcome(), SplitMix(seed: 7))
        var (step, steps): (MaintenanceJob?, Int) = (nil, 0)
        let store: LogStore = fixture.store
        func look() {
            let store: LogStore = fixture.store
            let excess = files(fixture) - 2 * store.statistics.liveBytes
            outcome.segmentsBeyond = max(outcome.segmentsBeyond, Double(excess) / Double(store.segmentSize))
        }
        func finishStep() {
            if let job = step.take() { XCTAssertNil(store.completed(job.run())) }
        }
        func commit() throws {
            while store.writer.hasPending {
                if step == nil, store.wantsMaintenance { (step, steps) = (fixture.takeMaintenance(), 0) }
                if let job = store.takeCommit() {
                    XCTAssertNil(store.completed(job.run()))
                } else {
                    outcome.holds += 1
                    XCTAssertNotNil(step, "a commit waits for a step that is under way")
                    finishStep()
                }
                look()
                steps += 1
                if steps >= slowness { finishStep() }
            }
        }
        for key in 0..<keys {
            fixture.put("key-\(key)", String(repeating: "a", count: 100))
            if key % 8 == 0 { try commit() }
        }
        try fixture.settle()
        let before = store.statistics
        outcome = Outcome()
        for round in 0..<rounds {
            fixture.put("key-\(choice(&random, keys, round))", String(repeating: "b", count: 100))
            if round % 8 == 0 { try commit() }
        }
        finishStep()
        try fixture.settle()
        look()
        let live = store.statistics.liveBytes / keys * rounds
        outcome.amplification = Double(store.statistics.writtenBytes - before.writtenBytes) / Double(live)
        return outcome
    }

    private func files(_ fixture: StoreFixture) -> Int {
        fixture.disk.names(StoreFixture.directory).filter { $0.hasSuffix(".log") }.reduce(0) {
            $0 + (fixture.disk.contents(fixture.path($1))?.count ?? 0)
        }
    }

    func testOverwritesTakeAtMostTwiceTheLiveDataAndTwoSegments() throws {
        for (name, choice) in Self.choices {
            // From a store that is small beside its segments to one of many.
            for (keys, segment) in [(20, 16 << 10), (300, 16 << 10), (1500, 16 << 10), (600, 256 << 10)] {
                let fixture = try StoreFixture(segment: segment)
                fixture.options.smallestSegment = 16 << 10
                try fixture.open()
                let outcome = try overwrite(fixture, keys: keys, rounds: 8 * keys + 1000, slowness: 1, choice)
                XCTAssertLessThanOrEqual(outcome.segmentsBeyond, 2, "\(name), \(keys) keys, segments of \(segment)")
                XCTAssertLessThan(outcome.amplification, 1.7, "\(name), \(keys) keys, segments of \(segment)")
                XCTAssertLessThanOrEqual(fixture.store.segmentSize, segment)
            }
        }
    }

    /// Storage threads that read slowly: commits wait for them, and the disk still takes no more.
    func testWritesWaitForMergesThatDoNotKeepUp() throws {
        for (name, choice) in Self.choices {
            let fixture = try StoreFixture(segment: 16 << 10)
            try fixture.open()
            let outcome = try overwrite(fixture, keys: 600, rounds: 6000, slowness: 40, choice)
            XCTAssertLessThanOrEqual(outcome.segmentsBeyond, 2, name)
            if name != "in order" { XCTAssertGreaterThan(outcome.holds, 10, name) }
        }
    }

    /// Where little is held, a log of up to a quarter of the largest segment is not worth copying anything.
    func testALogOfLessThanAQuarterOfASegmentIsNotMerged() throws {
        let fixture = try StoreFixture(segment: 256 << 10)
        fixture.options.smallestSegment = 8 << 10
        try fixture.open()
        for round in 0..<300 {
            fixture.put("key-\(round % 20)", String(repeating: "v", count: 100))
            // One in 15 is needed for good, so that no segment goes without being merged.
            if round % 15 == 0 { fixture.put("lasting-\(round)", String(repeating: "v", count: 100)) }
            if round % 8 == 0 { try fixture.commit() }
            while let job = fixture.takeMaintenance() {
                if case .merge = job.task { XCTFail("a log of \(files(fixture)) bytes is merged") }
                XCTAssertNil(fixture.store.completed(job.run()))
            }
        }
        XCTAssertGreaterThan(files(fixture), 40 << 10, "with so much garbage it would be merged, were it long enough")
        let outcome = try overwrite(fixture, keys: 20, rounds: 6000, slowness: 1, Self.choices[0].choice)
        XCTAssertLessThanOrEqual(files(fixture), (64 + 2 * 8) << 10)
        XCTAssertLessThan(outcome.amplification, 1.2, "what is merged is nearly all garbage")
    }

    func testNothingWaitsWhenTheStoreIsClosed() throws {
        let fixture = try StoreFixture(segment: 4 << 10)
        try fixture.open()
        for round in 0..<10_000 where !fixture.store.holdsCommits {
            fixture.put("key-\(round % 50)", String(repeating: "v", count: 50))
            // No step is finished, so writing is soon ahead.
            if fixture.store.wantsMaintenance, let job = fixture.takeMaintenance() {
                if case .merge = job.task {} else { XCTAssertNil(fixture.store.completed(job.run())) }
            }
            if let job = fixture.store.takeCommit() { XCTAssertNil(fixture.store.completed(job.run())) }
        }
        XCTAssertTrue(fixture.store.holdsCommits)
        fixture.put("last", "value")
        XCTAssertNil(fixture.store.takeCommit())
        let last = try XCTUnwrap(fixture.store.takeCommit(isLast: true))
        XCTAssertNil(fixture.store.completed(last.run()))
        XCTAssertEqual(fixture.store.durable, fixture.store.appended)
    }

    func testSegmentsAreAQuarterOfWhatAStoreHolds() throws {
        let fixture = try StoreFixture(segment: 64 << 10)
        fixture.options.smallestSegment = 2 << 10
        try fixture.open()
        XCTAssertEqual(fixture.store.segmentSize, 2 << 10)
        for (keys, expected) in [(200, 7 << 10), (1000, 36 << 10), (4000, 64 << 10)] {
            for key in 0..<keys {
                fixture.put("key-\(key)", String(repeating: "v", count: 100))
                if key % 8 == 0 { try fixture.commit() }
            }
            try fixture.settle()
            XCTAssertEqual(Double(fixture.store.segmentSize), Double(expected), accuracy: Double(expected) / 10)
            try fixture.open()
            XCTAssertEqual(Double(fixture.store.segmentSize), Double(expected), accuracy: Double(expected) / 10)
        }
        fixture.store.wipe(partitionZero, membership: 2)
        try fixture.settle()
        XCTAssertEqual(fixture.store.segmentSize, 2 << 10)
    }

    /// A merge is never held up by a sidecar that is being written.
    func testMergingComesBeforeASidecarAndTheSidecarIsFinishedLater() throws {
        let fixture = try StoreFixture(segment: 4 << 10)
        try fixture.open()
        for key in 0..<60 { fixture.put("key-\(key)", String(repeating: "v", count: 50)) }
        try fixture.commit()
        fixture.put("key-0", "the next segment")
        try fixture.commit()
        let begun = try XCTUnwrap(fixture.store.takeMaintenance())
        guard case .index = begun.task else { return XCTFail("\(begun.task)") }
        XCTAssertNil(fixture.store.completed(begun.run()))
        for round in 0..<200 where !fixture.store.room.isShort {
            fixture.put("key-\(round % 60)", String(repeating: "w", count: 50))
            try fixture.commit()
        }
        let next = try XCTUnwrap(fixture.store.takeMaintenance())
        guard case .merge = next.task else { return XCTFail("\(next.task)") }
        XCTAssertNil(fixture.store.completed(next.run()))
        try fixture.settle()
        let names = fixture.disk.names(StoreFixture.directory)
        XCTAssertEqual(names.filter { $0.hasSuffix(".tmp") }, [])
        XCTAssertEqual(
            names.count { $0.hasSuffix(".index") }, names.count { $0.hasSuffix(".log") } - 1, "all but the newest")
    }
}
