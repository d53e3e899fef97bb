import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

/// A store gives back the memory of keys that are gone, in short steps, and changes nothing by that.
final class IndexMemoryTests: XCTestCase {
    private static let keys = 6000

    /// Every hundredth key stays; the others are deleted and purged. The values of all have been read, so they are in
    /// the cache.
    private func emptied() throws -> StoreFixture {
        let fixture = try StoreFixture(segment: 64 << 10)
        fixture.options.mergeStep = 16 << 10
        fixture.options.cache = 4 << 20
        try fixture.open()
        for number in 0..<Self.keys {
            fixture.put("key-\(number)", "value \(number)", UInt16(number % 2))
            if number % 100 == 99 { try fixture.commit() }
        }
        try fixture.settle()
        for number in 0..<Self.keys { XCTAssertNotNil(try fixture.read("key-\(number)", UInt16(number % 2))) }
        for partition in 0..<2 as Range<UInt16> {
            var last = Version.zero
            for number in 0..<Self.keys where number % 2 == Int(partition) && !stays(number) {
                last = fixture.put("key-\(number)", nil, partition)
                if number % 100 == 99 { try fixture.commit() }
            }
            fixture.store.setPurgeFloor(PartitionID(partition), last)
            // So that nothing purged is left in the index.
            XCTAssertNotEqual(fixture.store.tree(PartitionID(partition)).root.digest, Digest())
        }
        return fixture
    }

    private func stays(_ number: Int) -> Bool { number % 100 < 2 }

    private func allocated(_ fixture: StoreFixture) -> Int {
        var bytes = 0
        fixture.store.catalog.forEachPartition { _, partition in bytes += partition.index.allocated }
        return bytes
    }

    private func check(_ fixture: StoreFixture) throws {
        XCTAssertNil(fixture.store.brokenInvariant)
        for number in 0..<Self.keys {
            let text = try fixture.text("key-\(number)", UInt16(number % 2))
            XCTAssertEqual(text, stays(number) ? "value \(number)" : nil)
        }
    }

    func testThePurgedKeysMemoryIsGivenBackInSteps() throws {
        let fixture = try emptied()
        let before = allocated(fixture)
        XCTAssertGreaterThan(before, 400_000)
        var steps = 0
        while fixture.store.catalog.hasMemoryToShrink {
            let shrunk = allocated(fixture)
            fixture.store.catalog.shrink(50)
            // A step frees at most what it has looked at.
            XCTAssertGreaterThan(allocated(fixture), shrunk - (64 << 10))
            steps += 1
            if steps % 10 == 0 { XCTAssertNil(fixture.store.brokenInvariant) }
        }
        XCTAssertGreaterThan(steps, 100)
        let left = Self.keys / 50
        XCTAssertLessThan(allocated(fixture), left * (160 + 2 * 8) + 2 * (20 << 10))
        try check(fixture)
    }

    /// Cached values and records that are merged follow the entries that move.
    func testReadsWritesMergesAndEvictionsGoOnMeanwhile() throws {
        let fixture = try emptied()
        var number = 0
        while fixture.store.catalog.hasMemoryToShrink {
            fixture.store.catalog.shrink(20)
            if stays(number) {
                let partition = UInt16(number % 2)
                XCTAssertEqual(try fixture.text("key-\(number)", partition), "value \(number)")
                fixture.put("key-\(number)", "value \(number)", partition)
            } else {
                // These come and go.
                fixture.put("other-\(number % 50)", number % 3 == 0 ? nil : "x", UInt16(number % 2))
            }
            if number % 20 == 0 {
                try fixture.commit()
                if let job = fixture.store.takeMaintenance() { XCTAssertNil(fixture.store.completed(job.run())) }
                XCTAssertNil(fixture.store.brokenInvariant)
            }
            number = (number + 1) % Self.keys
        }
        try fixture.settle()
        try check(fixture)
        // Larger values push the cached ones out: each tells its entry so.
        for number in 0..<100 {
            fixture.put("large-\(number)", String(repeating: "l", count: 100_000))
            try fixture.commit()
            XCTAssertNotNil(try fixture.read("large-\(number)"))
        }
        try check(fixture)
        try fixture.crash()
        try check(fixture)
    }

    func testNothingMovesWhileADamagedSegmentIsSearched() throws {
        let fixture = try emptied()
        try fixture.commit()
        let damaged = try XCTUnwrap(fixture.store.catalog.segments.all.first { $0.isSealed && $0.live > 0 })
        fixture.store.markDamaged(damaged)
        for _ in 0..<100_000 {
            try fixture.commit()
            let memory = allocated(fixture)
            let wasEmptying = if case .emptying = fixture.store.maintenance { true } else { false }
            guard let job = fixture.store.takeMaintenance() else { break }
            if wasEmptying { XCTAssertEqual(allocated(fixture), memory) }
            XCTAssertNil(fixture.store.completed(job.run()))
        }
        while fixture.store.catalog.hasMemoryToShrink { XCTAssertNil(fixture.store.takeMaintenance()) }
        try fixture.settle()
        XCTAssertNil(fixture.store.catalog.segments[damaged.number], "all of it was moved")
        try check(fixture)
    }

    func testAPartitionOfAFewKeysTakesLittle() throws {
        let fixture = try StoreFixture(segment: 1 << 20)
        try fixture.open()
        for number in 0..<6000 {
            fixture.put("user0000000\(number)", "v", UInt16(number % 1000))
            if number % 100 == 0 { try fixture.commit() }
        }
        XCTAssertLessThan(allocated(fixture), 1000 * 900)
        for partition in 0..<1000 as Range<UInt16> {
            XCTAssertLessThanOrEqual(fixture.store.tree(PartitionID(partition)).capacity, 16)
        }
    }
}
