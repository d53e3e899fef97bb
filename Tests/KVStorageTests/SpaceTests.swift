import Foundation
import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

/// What wipes and purges give back, without a single append after them.
final class SpaceTests: XCTestCase {
    /// Partitions 0 and 1 over many segments; 1 is small.
    private func filled() throws -> StoreFixture {
        let fixture = try StoreFixture(segment: 1000)
        try fixture.open()
        for number in 0..<100 {
            fixture.put("key-\(number)", "a value of some length \(number)")
            if number % 10 == 0 { fixture.put("other-\(number)", "stays", 1) }
            try fixture.commit()
        }
        try fixture.settle()
        return fixture
    }

    private func others() -> Set<String> {
        Set(stride(from: 0, to: 100, by: 10).map { "other-\($0)" })
    }

    /// Of everything in the directory, the newest segment's reserve included.
    private func bytes(_ fixture: StoreFixture) -> Int {
        fixture.disk.names(StoreFixture.directory).reduce(0) {
            $0 + (fixture.disk.contents(fixture.path($1))?.count ?? 0)
        }
    }

    func testWipedPartitionsGiveTheirRoomBackToTheLastSegment() throws {
        for isRestarted in [false, true] {
            let fixture = try filled()
            XCTAssertGreaterThan(bytes(fixture), 10_000)
            fixture.store.wipe(partitionZero, membership: 0)
            try fixture.commit()
            if isRestarted { try fixture.crash() }
            try fixture.settle()
            XCTAssertLessThan(bytes(fixture), 3500)
            XCTAssertEqual(fixture.keys(), [:])
            XCTAssertEqual(Set(fixture.keys(1).keys), others())
            try fixture.crash()
            XCTAssertEqual(fixture.keys(), [:])
            XCTAssertEqual(Set(fixture.keys(1).keys), others())
        }
    }

    func testDeletedAndPurgedKeysGiveTheirRoomBack() throws {
        for isRestarted in [false, true] {
            let fixture = try filled()
            var last = Version.zero
            for number in 0..<100 {
                last = fixture.put("key-\(number)", nil)
                if number % 3 == 0 { try fixture.commit() }
            }
            fixture.store.setPurgeFloor(partitionZero, last)
            try fixture.commit()
            if isRestarted { try fixture.crash() }
            try fixture.settle()
            XCTAssertLessThan(bytes(fixture), 3500)
            XCTAssertEqual(fixture.store.catalog.segments.all.reduce(0) { $0 + $1.suppressors }, 0)
            try fixture.crash()
            XCTAssertEqual(fixture.keys(), [:], "nothing that was deleted is back")
            XCTAssertEqual(Set(fixture.keys(1).keys), others())
            XCTAssertEqual(fixture.store.purgeFloor(partitionZero), last)
        }
    }

    func testAWipeTakesPurgedTombstonesAlongThoughAnOlderSegmentStays() throws {
        let fixture = try StoreFixture(segment: 4000)
        fixture.options.preallocation = 4000
        try fixture.open()
        for number in 0..<40 { fixture.put("stays-\(number)", String(repeating: "v", count: 60), 1) }
        for number in 0..<3 { fixture.put("deleted-\(number)", "1") }
        try fixture.commit()
        var last = Version.zero
        while fixture.store.writer.tail.segment < 3 {
            last = fixture.put("deleted-\(last.sequence % 90)", nil)
            try fixture.commit()
        }
        fixture.store.setPurgeFloor(partitionZero, last)
        try fixture.settle()
        XCTAssertEqual(fixture.segmentNumbers(), [1, 2, 3])
        XCTAssertGreaterThan(fixture.store.catalog.segments[2]?.suppressors ?? 0, 0)
        fixture.store.wipe(partitionZero, membership: 2)
        try fixture.settle()
        XCTAssertEqual(fixture.segmentNumbers(), [1, 3])
        XCTAssertEqual(fixture.store.catalog.segments.all.reduce(0) { $0 + $1.suppressors }, 0)
    }

    func testTheNewestSegmentIsLeftAloneWhileItsRecordsAreNeeded() throws {
        let fixture = try StoreFixture(segment: 1 << 20)
        try fixture.open()
        for number in 0..<100 { fixture.put("key-\(number)", String(repeating: "v", count: 1000), 1) }
        fixture.put("wiped", "1")
        fixture.store.wipe(partitionZero, membership: 2)
        try fixture.settle()
        XCTAssertEqual(fixture.segmentNumbers(), [1])
    }

    // MARK: On a real disk

    func testAStoreOf200MegabytesShrinksWhenItsPartitionsAreWiped() throws {
        for segment in [StoreOptions.defaultSegment, 32 << 20] {
            try withStore(segment: segment) { open, used in
                let store = try open()
                for partition in 0..<20 { store.wipe(PartitionID(UInt16(partition)), membership: 0) }
                try store.settle()
                XCTAssertLessThanOrEqual(try used(), store.options.preallocation + 64 << 10)
            }
        }
    }

    func testAStoreOf200MegabytesShrinksAfterARestartToo() throws {
        try withStore(segment: 32 << 20) { open, used in
            let store = try open()
            for partition in 0..<20 { store.wipe(PartitionID(UInt16(partition)), membership: 0) }
            try store.commitAll()
            XCTAssertGreaterThan(try used(), 200 << 20)
            let reopened = try open()
            try reopened.settle()
            XCTAssertLessThanOrEqual(try used(), reopened.options.preallocation + 64 << 10)
        }
    }

    func testAStoreOf200MegabytesShrinksWhenAllIsDeletedAndPurged() throws {
        for isRestarted in [false, true] {
            try withStore(segment: isRestarted ? 32 << 20 : StoreOptions.defaultSegment) { open, used in
                var store = try open()
                for key in 0..<2000 {
                    store.put(Self.partition(key), Self.key(key), Self.record(key, 2, nil))
                }
                let floor = Version(ballot: ballot(2), sequence: 2000)
                for partition in 0..<20 { store.setPurgeFloor(PartitionID(UInt16(partition)), floor) }
                if isRestarted {
                    try store.commitAll()
                    store = try open()
                }
                try store.settle()
                XCTAssertLessThanOrEqual(try used(), store.options.preallocation + 64 << 10)
                XCTAssertNil(try open().head(Self.partition(7), Self.key(7)))
            }
        }
    }

    private static func partition(_ key: Int) -> PartitionID { PartitionID(UInt16(key % 20)) }
    private static func key(_ key: Int) -> Key { Key("key-\(key)") }
    private static func record(_ key: Int, _ round: UInt64, _ value: [UInt8]?) -> Record {
        Record(version: Version(ballot: ballot(round), sequence: UInt64(key)), value: value)
    }

    /// 200 MiB and some of values in 20 partitions, in a directory of its own.
    /// - Parameter body: is given what opens the store, and what counts the bytes that its directory takes.
    private func withStore(
        segment: Int, _ body: (_ open: () throws -> LogStore, _ used: () throws -> Int) throws -> Void
    ) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "kv-space-\(UUID())")
        defer { try? FileManager.default.removeItem(at: directory) }
        var options = StoreOptions(directory: directory.path, store: StoreFixture.store)
        options.segment = segment
        options.sync = .never
        options.cache = 0
        let store = try LogStore.open(options)
        let value = [UInt8](repeating: 7, count: 105 << 10)
        for key in 0..<2000 {
            store.put(Self.partition(key), Self.key(key), Self.record(key, 1, value))
            if key % 10 == 0 { try store.commitAll() }
        }
        try store.settle()
        let used = {
            try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
                .reduce(0) {
                    $0 + ((try $1.resourceValues(forKeys: [.fileSizeKey])).fileSize ?? 0)
                }
        }
        XCTAssertGreaterThan(try used(), 200 << 20)
        try body({ try LogStore.open(options) }, used)
    }
}
