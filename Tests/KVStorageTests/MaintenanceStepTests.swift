import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

/// What maintenance does on the event loop: so much in one turn, whatever a segment holds.
final class MaintenanceStepTests: XCTestCase {
    private static let keys = 400

    /// A store whose first segment is to be merged: seven of eight of its records are overwritten.
    private func fixture(mergeRecords: Int, indexStep: Int = 64) throws -> StoreFixture {
        let fixture = try StoreFixture(segment: 32 << 10)
        fixture.options.mergeStep = 64 << 10
        fixture.options.mergeRecords = mergeRecords
        fixture.options.indexStep = indexStep
        try fixture.open()
        for key in 0..<Self.keys { fixture.put("key-\(key)", "old") }
        try fixture.commit()
        fixture.store.writer.endSegment()
        for key in 0..<Self.keys where key % 8 > 0 { fixture.put("key-\(key)", "new") }
        try fixture.commit()
        return fixture
    }

    /// Runs steps until one of merging has been read and is not copied to its end.
    private func beginCopying(_ fixture: StoreFixture) throws {
        for _ in 0..<100 {
            let job = try XCTUnwrap(fixture.store.takeMaintenance())
            XCTAssertNil(fixture.store.completed(job.run()))
            if fixture.store.isCopying { return }
            try fixture.commit()
        }
        XCTFail("nothing is merged")
    }

    private func check(_ fixture: StoreFixture, _ changed: [Int: String?] = [:]) throws {
        for key in 0..<Self.keys {
            let expected = changed[key] ?? (key % 8 > 0 ? "new" : "old")
            XCTAssertEqual(try fixture.text("key-\(key)"), expected, "key-\(key)")
        }
    }

    func testATurnLooksAtSoManyRecordsOfAStepAndNoMore() throws {
        let fixture = try fixture(mergeRecords: 10)
        var (turns, most) = (0, 0)
        for _ in 0..<10_000 {
            let before = fixture.store.appended
            let job = fixture.store.takeMaintenance()
            if let job { XCTAssertNil(fixture.store.completed(job.run())) }
            let copied = Int(fixture.store.appended - before)
            XCTAssertLessThanOrEqual(copied, 10)
            most = max(most, copied)
            if fixture.store.isCopying {
                turns += 1
                XCTAssertTrue(fixture.store.wantsMaintenance, "the next turn goes on")
            } else if job == nil, !fixture.store.writer.hasPending {
                break
            }
            try fixture.commit()
        }
        XCTAssertGreaterThan(most, 1)
        XCTAssertGreaterThanOrEqual(turns, Self.keys / 10 - 1, "each record of the segment was looked at in some turn")
        XCTAssertGreaterThan(fixture.store.statistics.mergedSegments, 0)
        try check(fixture)
        try fixture.crash()
        try check(fixture)
    }

    /// Between two turns the records of a step can be overwritten, deleted, purged and wiped.
    func testRecordsChangeBetweenTheTurnsOfAStep() throws {
        let fixture = try fixture(mergeRecords: 10)
        try beginCopying(fixture)
        fixture.put("key-392", "later")
        let tombstone = fixture.put("key-384", nil)
        XCTAssertNil(fixture.store.takeMaintenance())
        XCTAssertTrue(fixture.store.isCopying)
        fixture.store.setPurgeFloor(partitionZero, tombstone)
        try fixture.settle()
        try check(fixture, [392: "later", 384: nil])
        try fixture.crash()
        try check(fixture, [392: "later", 384: nil])

        let other = try self.fixture(mergeRecords: 10)
        try beginCopying(other)
        other.store.wipe(partitionZero, membership: 2)
        try other.settle()
        XCTAssertEqual(other.keys(), [:])
        try other.crash()
        XCTAssertEqual(other.keys(), [:])
    }

    // MARK: Purging

    /// A partition with a tombstone for each of so many keys, and two records that stay.
    private func deleted(_ keys: Int, indexStep: Int) throws -> (StoreFixture, floor: Version) {
        let fixture = try StoreFixture(segment: 32 << 10)
        fixture.options.indexStep = indexStep
        try fixture.open()
        fixture.put("first", "stays")
        for key in 0..<keys { fixture.put("key-\(key)", nil) }
        let floor = fixture.put("last", nil)
        fixture.put("first", "stays")
        fixture.put("later", nil)
        try fixture.commit()
        return (fixture, floor)
    }

    private func index(_ fixture: StoreFixture) throws -> Int {
        try XCTUnwrap(fixture.store.catalog.existing(partitionZero)).index.count
    }

    func testATurnDropsSoManyPurgedTombstonesAndNoMore() throws {
        let keys = 3000
        let (fixture, floor) = try deleted(keys, indexStep: 170)
        fixture.store.setPurgeFloor(partitionZero, floor)
        XCTAssertEqual(fixture.store.purgeFloor(partitionZero), floor)
        XCTAssertEqual(try index(fixture), keys + 3, "none is dropped yet")
        // They count as absent from the beginning.
        XCTAssertEqual(Set(fixture.keys().keys), ["first", "later"])
        for key in 0..<keys {
            XCTAssertNil(fixture.store.head(partitionZero, Key("key-\(key)")))
            XCTAssertNil(try fixture.read("key-\(key)"))
        }
        XCTAssertNil(fixture.store.brokenInvariant)
        var steps = 0
        while fixture.store.isDropping {
            XCTAssertTrue(fixture.store.isPurging(partitionZero))
            let before = try index(fixture)
            if let job = fixture.store.takeMaintenance() { XCTAssertNil(fixture.store.completed(job.run())) }
            // An entry that is dropped counts as 17 that are looked at.
            XCTAssertLessThanOrEqual(before - (try index(fixture)), 170 / 17 + 1)
            steps += 1
            if steps % 20 == 0 { XCTAssertNil(fixture.store.brokenInvariant) }
        }
        XCTAssertFalse(fixture.store.isPurging(partitionZero))
        XCTAssertGreaterThan(steps, keys / 11)
        XCTAssertEqual(fixture.store.usage(partitionZero).tombstones, 1)
        XCTAssertEqual(try index(fixture), 2)
        XCTAssertEqual(fixture.store.tree(partitionZero).leaves, fixture.treeFromScratch().leaves)
        try fixture.settle()
        try fixture.crash()
        XCTAssertEqual(Set(fixture.keys().keys), ["first", "later"])
    }

    /// Replicas at one floor compare their trees, so a tree that is looked at has nothing purged.
    func testATreeThatIsLookedAtHasNothingPurged() throws {
        let (fixture, floor) = try deleted(3000, indexStep: 170)
        fixture.store.setPurgeFloor(partitionZero, floor)
        XCTAssertNil(fixture.store.takeMaintenance())
        XCTAssertEqual(fixture.store.tree(partitionZero).leaves, fixture.treeFromScratch().leaves)
        XCTAssertEqual(fixture.store.usage(partitionZero).tombstones, 1)
        XCTAssertFalse(fixture.store.isDropping)
        XCTAssertNil(fixture.store.brokenInvariant)
    }

    /// While purged tombstones wait to be dropped, their keys are set again, and their segment is merged.
    func testKeysComeBackAndSegmentsAreMergedDuringAPurge() throws {
        let (fixture, floor) = try deleted(300, indexStep: 18)
        fixture.store.writer.endSegment()
        fixture.store.setPurgeFloor(partitionZero, floor)
        for key in 0..<300 where key % 3 == 0 {
            fixture.put("key-\(key)", key % 2 == 0 ? "again" : nil)
            try fixture.commit()
            if let job = fixture.store.takeMaintenance() { XCTAssertNil(fixture.store.completed(job.run())) }
            XCTAssertNil(fixture.store.brokenInvariant)
        }
        try fixture.settle()
        func check() throws {
            for key in 0..<300 {
                XCTAssertEqual(try fixture.text("key-\(key)"), key % 6 == 0 ? "again" : nil)
                XCTAssertEqual(fixture.store.head(partitionZero, Key("key-\(key)")) != nil, key % 3 == 0)
            }
        }
        try check()
        try fixture.crash()
        try check()
    }

    func testAPurgeThatIsUnderWayEndsWithAWipeAndBeginsAnewAtAHigherFloor() throws {
        let (fixture, floor) = try deleted(300, indexStep: 18)
        fixture.store.setPurgeFloor(partitionZero, floor)
        for _ in 0..<20 { XCTAssertNil(fixture.store.takeMaintenance()) }
        let higher = fixture.put("key-0", nil)
        fixture.store.setPurgeFloor(partitionZero, higher)
        XCTAssertEqual(Set(fixture.keys().keys), ["first"])
        for _ in 0..<20 { XCTAssertNil(fixture.store.takeMaintenance()) }
        XCTAssertNil(fixture.store.brokenInvariant)
        fixture.store.wipe(partitionZero, membership: 2)
        XCTAssertEqual(fixture.store.usage(partitionZero), PartitionUsage())
        fixture.put("key-1", nil)
        XCTAssertNotNil(fixture.store.head(partitionZero, Key("key-1")), "the wipe has lowered the floor")
        try fixture.settle()
        XCTAssertEqual(Set(fixture.keys().keys), ["key-1"])
    }

    // MARK: Wiping

    /// A wipe forgets everything at once, and what was forgotten is dropped in steps.
    func testATurnDropsSoManyWipedRecordsAndNoMore() throws {
        let keys = 3000
        let fixture = try StoreFixture(segment: 32 << 10)
        fixture.options.indexStep = 100
        try fixture.open()
        for key in 0..<keys { fixture.put("key-\(key)", "old") }
        try fixture.commit()
        let live = fixture.store.statistics.liveBytes
        fixture.store.wipe(partitionZero, membership: 2)
        XCTAssertEqual(fixture.store.usage(partitionZero), PartitionUsage())
        XCTAssertEqual(try index(fixture), 0)
        XCTAssertNil(fixture.store.head(partitionZero, Key("key-0")))
        XCTAssertEqual(fixture.store.tree(partitionZero).leaves, HashTree().leaves)
        XCTAssertEqual(fixture.store.statistics.liveBytes, live, "they count as needed for some time")
        XCTAssertTrue(fixture.store.isDropping)
        var (steps, before) = (0, live)
        while fixture.store.isDropping {
            if let job = fixture.store.takeMaintenance() { XCTAssertNil(fixture.store.completed(job.run())) }
            let now = fixture.store.statistics.liveBytes
            XCTAssertLessThanOrEqual(before - now, 100 * live / keys + live % keys + 200)
            (steps, before) = (steps + 1, now)
            if steps % 5 == 0 { XCTAssertNil(fixture.store.brokenInvariant) }
        }
        XCTAssertGreaterThanOrEqual(steps, keys / 100)
        try fixture.settle()
        XCTAssertEqual(fixture.store.statistics.liveBytes, 0)
        XCTAssertLessThan(fixture.segmentFiles().count, 3, "what held them is gone")
        try fixture.crash()
        XCTAssertEqual(fixture.keys(), [:])
    }

    /// While wiped records wait to be dropped, their keys are set and read again, and values of theirs that are still
    /// in the cache are evicted: neither is taken for the other.
    func testKeysComeBackWhileWhatWasWipedIsDropped() throws {
        let fixture = try StoreFixture(segment: 8 << 10)
        fixture.options.indexStep = 10
        fixture.disk.blockedReads = 100_000
        try fixture.open()
        func put(_ round: Int) throws {
            for key in 0..<300 {
                fixture.put("key-\(key)", "\(round) of \(key)")
                if key % 10 == 0 { try fixture.commit() }
            }
            try fixture.commit()
        }
        func check(_ round: Int, _ keys: some Sequence<Int>) throws {
            for key in keys { XCTAssertEqual(try fixture.text("key-\(key)"), "\(round) of \(key)") }
        }
        try put(0)
        for round in 1...4 {
            // The cache has room for about thirty of these.
            try check(round - 1, 0..<300)
            fixture.store.wipe(partitionZero, membership: Epoch(round + 1))
            XCTAssertTrue(fixture.store.isDropping)
            try put(round)
            for step in 0..<10 {
                try check(round, stride(from: step, to: 300, by: 10))
                if let job = fixture.store.takeMaintenance() { XCTAssertNil(fixture.store.completed(job.run())) }
                XCTAssertNil(fixture.store.brokenInvariant)
            }
            XCTAssertLessThanOrEqual(fixture.store.statistics.cacheBytes, 4096)
        }
        try fixture.settle()
        XCTAssertFalse(fixture.store.isDropping)
        try check(4, 0..<300)
        try fixture.crash()
        try check(4, 0..<300)
    }

    /// The wiped partition has no such entries any more.
    func testValuesOfWipedRecordsAreEvicted() throws {
        let fixture = try StoreFixture()
        fixture.disk.blockedReads = 100_000
        try fixture.open()
        for partition in [0, 1] as [UInt16] {
            for key in 0..<100 { fixture.put("\(partition)-\(key)", String(repeating: "v", count: 50), partition) }
        }
        try fixture.commit()
        for key in 0..<100 { XCTAssertNotNil(try fixture.read("0-\(key)")) }
        fixture.store.wipe(partitionZero, membership: 2)
        for key in 0..<100 { XCTAssertNotNil(try fixture.read("1-\(key)", 1)) }
        XCTAssertTrue(fixture.store.isDropping)
        XCTAssertLessThanOrEqual(fixture.store.statistics.cacheBytes, 4096)
        try fixture.settle()
        XCTAssertGreaterThan(fixture.store.statistics.cacheBytes, 3000, "the values of the other partition stay")
    }

    /// A segment whose records are wiped while it is merged goes once they are dropped.
    func testASegmentIsRemovedOnceItsWipedRecordsAreDropped() throws {
        let fixture = try fixture(mergeRecords: 100, indexStep: 1)
        try beginCopying(fixture)
        fixture.store.wipe(partitionZero, membership: 2)
        for _ in 0..<50 {
            try fixture.commit()
            if let job = fixture.store.takeMaintenance() { XCTAssertNil(fixture.store.completed(job.run())) }
        }
        XCTAssertTrue(fixture.store.isDropping)
        XCTAssertNotNil(fixture.store.catalog.segments[1])
        XCTAssertNil(fixture.store.brokenInvariant)
        try fixture.settle()
        XCTAssertNil(fixture.store.catalog.segments[1])
    }

    // MARK: Removing segments

    /// To close a large file that is unlinked takes milliseconds.
    func testTheFileOfARemovedSegmentIsClosedWithTheRemoval() throws {
        let fixture = try StoreFixture()
        fixture.disk.blockedReads = 1000
        try fixture.open()
        fixture.put("read", String(repeating: "v", count: 1500))
        try fixture.commit()
        weak let file = fixture.store.catalog.segments[1]?.file
        XCTAssertNotNil(file)
        // A read of it waits meanwhile.
        guard case .onDisk(let ticket) = fixture.store.read(partitionZero, Key("read")) else {
            return XCTFail("the value is on disk")
        }
        fixture.store.wipe(partitionZero, membership: 2)
        try fixture.commit()
        var removal: MaintenanceJob?
        for _ in 0..<100 where removal == nil {
            try fixture.commit()
            guard let job = fixture.takeMaintenance() else { continue }
            if case .remove = job.task { removal = job } else { XCTAssertNil(fixture.store.completed(job.run())) }
        }
        var read = fixture.store.takeRead(ticket)
        XCTAssertNil(fixture.store.takeRead(ticket), "it is taken once")
        let loaded = try XCTUnwrap(read?.run())
        let result = try XCTUnwrap(removal?.run())
        (read, removal) = (nil, nil)
        XCTAssertNil(file, "the store has it no more when the jobs come back")
        guard case .gone = try fixture.store.completed(loaded).value else { return XCTFail("it was wiped") }
        XCTAssertNil(fixture.store.completed(result))
        XCTAssertNil(fixture.store.catalog.segments[1])
        try fixture.settle()
    }

    func testASegmentIsRemovedAfterTheStepOfScrubbingThatReadsIt() throws {
        let fixture = try StoreFixture(segment: 1 << 10)
        fixture.options.scrub = 1 << 20
        try fixture.open()
        for key in 0..<30 { fixture.put("key-\(key)", String(repeating: "v", count: 60)) }
        try fixture.commit()
        fixture.put("next", "segment")
        try fixture.commit()
        try fixture.settle()
        let scrub = try XCTUnwrap(fixture.store.takeScrub(now: Instant(nanoseconds: 1)))
        let number = scrub.cursor.segment.number
        fixture.store.wipe(partitionZero, membership: 2)
        try fixture.settle()
        XCTAssertNotNil(fixture.store.catalog.segments[number], "it is being read")
        XCTAssertNil(fixture.store.completed(scrub.run()))
        try fixture.settle()
        XCTAssertNil(fixture.store.catalog.segments[number])
        XCTAssertNil(fixture.store.scrub.cursor)
    }
}
