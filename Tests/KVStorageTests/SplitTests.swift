import KVCore
import XCTest

@testable import KVStorage

/// One partition that is split: 0 into 0 and 2. (1 is the metadata partition.)
final class SplitTests: XCTestCase {
    private let founding = SlotMap(founding: 1)
    private let parent = PartitionID(0)
    private let child = PartitionID(2)
    private let keys = (0..<40).map { Key("key-\($0)") }

    private func slots(_ count: Int) throws -> SlotMap { try XCTUnwrap(SlotMap(founding: 1, count: count)) }

    private func fixture(segment: Int = 2048) throws -> StoreFixture {
        let fixture = try StoreFixture(segment: segment, keepsManifest: true)
        fixture.slots = founding
        try fixture.open()
        fixture.store.wipe(parent, membership: 3)
        return fixture
    }

    /// Puts the keys, each to the partition that has it. Every third is a tombstone.
    private func fill(_ store: LogStore, from sequence: UInt64 = 1, _ keys: [Key]? = nil, isTombstone: Bool? = nil) {
        for (number, key) in (keys ?? self.keys).enumerated() {
            let isTombstone = isTombstone ?? (number % 3 == 0)
            let value = isTombstone ? nil : Array("value of \(key)".utf8)
            store.put(
                store.slots.partition(of: key.slot), key,
                Record(version: version(sequence + UInt64(number)), value: value))
        }
    }

    private func version(_ sequence: UInt64) -> Version { Version(ballot: ballot(1), sequence: sequence) }

    private func isInChild(_ key: Key) -> Bool { founding.afterNext?.partition(of: key.slot) == child }

    private func assertEqual(_ one: LogStore, _ other: LogStore, _ line: UInt = #line) {
        XCTAssertNil(one.brokenInvariant, line: line)
        for partition in [parent, child] {
            XCTAssertEqual(one.tree(partition).leaves, other.tree(partition).leaves, line: line)
            XCTAssertEqual(one.usage(partition), other.usage(partition), line: line)
            XCTAssertEqual(one.membership(partition), other.membership(partition), line: line)
            XCTAssertEqual(one.promise(partition), other.promise(partition), line: line)
            XCTAssertEqual(one.purgeFloor(partition), other.purgeFloor(partition), line: line)
            for key in keys { XCTAssertEqual(one.head(partition, key), other.head(partition, key), line: line) }
        }
    }

    /// A store in which the partitions have been two from the beginning.
    private func divided() throws -> StoreFixture {
        let fixture = try StoreFixture(segment: 1 << 20)
        fixture.slots = try slots(2)
        try fixture.open()
        for partition in [parent, child] {
            fixture.store.wipe(partition, membership: 3)
            fixture.store.setPromise(partition, ballot(7))
        }
        fill(fixture.store)
        for partition in [parent, child] { fixture.store.setPurgeFloor(partition, version(4)) }
        return fixture
    }

    /// Tombstones that are purged and not yet dropped are in neither of the two.
    func testASplitDuringAPurge() throws {
        let (fixture, divided) = (try fixture(), try divided())
        fill(fixture.store)
        fixture.store.setPromise(parent, ballot(7))
        fixture.store.setPurgeFloor(parent, version(4))
        XCTAssertTrue(fixture.store.isDropping)
        fixture.store.split()
        assertEqual(fixture.store, divided.store)
        try fixture.crash()
        XCTAssertNil(fixture.store.brokenInvariant)
    }

    func testASplitStoreIsLikeOneThatWasBuiltSo() throws {
        let (fixture, divided) = (try fixture(), try divided())
        fill(fixture.store)
        fixture.store.setPromise(parent, ballot(7))
        fixture.store.setPurgeFloor(parent, version(4))
        try fixture.settle()
        XCTAssertEqual(fixture.store.membership(child), 0)
        let before = fixture.store.appended
        fixture.store.split()
        XCTAssertEqual(fixture.store.slots, try slots(2))
        XCTAssertEqual(fixture.store.appended, before + 1, "the new partition's state")
        XCTAssertGreaterThan(fixture.store.usage(child).keys, 5)
        XCTAssertGreaterThan(fixture.store.usage(parent).keys, 5)
        assertEqual(fixture.store, divided.store)
        try fixture.settle()
        assertEqual(fixture.store, divided.store)
        for key in keys where isInChild(key) {
            XCTAssertEqual(try fixture.read(key, child), try divided.read(key, child))
        }
        // The topology is on disk before the store is split.
        fixture.slots = try slots(2)
        for _ in 0..<3 {
            try fixture.crash()
            assertEqual(fixture.store, divided.store)
            try fixture.settle()
        }
    }

    func testAStartCarriesOutWhatACrashPrevented() throws {
        let (fixture, divided) = (try fixture(), try divided())
        fill(fixture.store)
        fixture.store.setPromise(parent, ballot(7))
        fixture.store.setPurgeFloor(parent, version(4))
        try fixture.settle()
        fixture.slots = try slots(2)
        for _ in 0..<2 {
            try fixture.crash()
            XCTAssertEqual(fixture.store.appended, 1, "the new partition's state comes before anything else")
            assertEqual(fixture.store, divided.store)
        }
        try fixture.commit()
        try fixture.crash()
        XCTAssertEqual(fixture.store.appended, 0)
        assertEqual(fixture.store, divided.store)
    }

    /// A wipe of one leaves the other alone, though their records have the same number on disk.
    func testAWipeIsOfOnePartition() throws {
        for wiped in [parent, child] {
            let fixture = try fixture()
            fill(fixture.store)
            try fixture.settle()
            fixture.slots = try slots(2)
            fixture.store.split()
            let other = wiped == parent ? child : parent
            let before = (tree: fixture.store.tree(other).leaves, usage: fixture.store.usage(other))
            fixture.store.wipe(wiped, membership: 9)
            try fixture.settle()
            for _ in 0..<2 {
                XCTAssertEqual(fixture.store.tree(other).leaves, before.tree)
                XCTAssertEqual(fixture.store.usage(other), before.usage)
                XCTAssertEqual(fixture.store.membership(other), 3)
                XCTAssertEqual(fixture.store.usage(wiped), PartitionUsage())
                XCTAssertEqual(fixture.store.membership(wiped), 9)
                try fixture.crash()
                try fixture.settle()
            }
        }
    }

    /// Purged tombstones of the new partition, which are counted as the old one's or nobody's, go on hiding what is
    /// older on disk.
    func testPurgedTombstonesHideOlderRecordsAfterASplit() throws {
        let fixture = try fixture(segment: 600)
        fill(fixture.store, isTombstone: false)
        try fixture.commit()
        fill(fixture.store, from: 100, isTombstone: true)
        try fixture.commit()
        fixture.store.setPurgeFloor(parent, version(200))
        fixture.slots = try slots(2)
        fixture.store.split()
        fixture.store.wipe(parent, membership: 5)
        for _ in 0..<3 {
            try fixture.settle()
            try fixture.crash()
            XCTAssertEqual(fixture.store.usage(child), PartitionUsage())
            XCTAssertEqual(fixture.store.usage(parent), PartitionUsage())
        }
        // They do not keep their segments for good.
        for round in 3..<40 as Range<UInt64> {
            fill(fixture.store, from: round * 100, isTombstone: round % 2 == 0)
            fixture.store.setPurgeFloor(parent, version(round * 100 + 99))
            fixture.store.setPurgeFloor(child, version(round * 100 + 99))
            try fixture.settle()
        }
        XCTAssertGreaterThan(try XCTUnwrap(fixture.segmentNumbers().min()), 20)
        XCTAssertLessThan(fixture.segmentFiles().count, 15)
    }

    /// Nothing is appended for a partition that the store has nothing of, and what it gets afterwards is its own.
    func testASplitOfWhatIsNotHeldNeedNotBeRemembered() throws {
        let fixture = try StoreFixture(keepsManifest: true)
        fixture.slots = SlotMap(founding: 2)
        try fixture.open()
        let (parent, other, child) = (PartitionID(0), PartitionID(1), PartitionID(3))
        fixture.store.wipe(other, membership: 1)
        try fixture.commit()
        let before = fixture.store.appended
        fixture.slots = SlotMap(founding: 2, count: 3)
        fixture.store.split()
        XCTAssertEqual(fixture.store.appended, before)
        for member in [false, true] {
            if member {
                fixture.store.wipe(parent, membership: 8)
                fixture.store.setPromise(parent, ballot(4))
                try fixture.commit()
            }
            try fixture.crash()
            XCTAssertEqual(fixture.store.appended, 0)
            XCTAssertEqual(fixture.store.slots.count, 3)
            XCTAssertEqual(fixture.store.membership(parent), member ? 8 : 0)
            XCTAssertEqual(fixture.store.membership(child), 0)
            XCTAssertEqual(fixture.store.promise(child), .zero)
        }
    }

    func testAnOlderTopologyIsRefused() throws {
        let fixture = try fixture()
        fill(fixture.store)
        try fixture.commit()
        fixture.store.split()
        fixture.store.split()
        try fixture.commit()
        for (slots, known) in [(nil, "none yet"), (founding, "1"), (try slots(2), "2")] {
            fixture.slots = slots
            XCTAssertThrowsError(try fixture.open()) { error in
                guard case StoreError.outdated = error else { return XCTFail("\(error)") }
                let text = "data/shard-0 has been split into 3 partitions, and the topology here has \(known)."
                XCTAssertTrue("\(error)".contains(text), "\(error)")
            }
        }
        fixture.slots = try slots(3)
        XCTAssertNoThrow(try fixture.open())
    }

    /// Versions that know nothing of splits must not open the store: they know one format of segments only.
    func testSegmentsAfterASplitHaveAnotherFormat() throws {
        let fixture = try fixture(segment: 1 << 20)
        func formats() throws -> [UInt32] {
            try fixture.segmentFiles().map { name in
                let bytes = try XCTUnwrap(fixture.disk.contents(fixture.path(name)))
                return try bytes.withUnsafeBytes { try XCTUnwrap(SegmentHeader($0)).format }
            }
        }
        fill(fixture.store)
        try fixture.commit()
        fixture.put("pending", "in the batch that is open")
        fixture.store.split()
        try fixture.commit()
        XCTAssertEqual(try formats(), [SegmentHeader.firstFormat, SegmentHeader.splitFormat])
        fixture.slots = try slots(3)
        fixture.store.split()
        try fixture.commit()
        XCTAssertEqual(try formats().count, 2, "one is enough")
        try fixture.crash()
        fixture.put("more", "of it", fixture.store.slots.partition(of: Key("more").slot).raw)
        try fixture.commit()
        XCTAssertEqual(try formats().count, 2)
        // The same where a start carries the split out.
        let late = try self.fixture(segment: 1 << 20)
        try late.commit()
        late.slots = try slots(2)
        try late.crash()
        try late.commit()
        XCTAssertEqual(late.segmentFiles().count, 2)
    }

    func testAStoreOfANodeWithoutATopologyBeginsWithTheOneThatItGets() throws {
        let fixture = try StoreFixture(keepsManifest: true)
        try fixture.open()
        fixture.store.begin(try slots(2))
        XCTAssertEqual(fixture.store.slots, try slots(2))
        fixture.store.wipe(child, membership: 2)
        fill(fixture.store, keys.filter { isInChild($0) })
        try fixture.commit()
        let usage = fixture.store.usage(child)
        fixture.slots = try slots(2)
        try fixture.crash()
        XCTAssertEqual(fixture.store.usage(child), usage)
        fixture.store.begin(try slots(3))
        XCTAssertEqual(fixture.store.slots, try slots(2), "it knows them already")
    }

    func testAReadThatIsUnderWayFindsItsRecordAfterASplit() throws {
        let fixture = try fixture()
        fixture.options.cache = 0
        fill(fixture.store, isTombstone: false)
        try fixture.settle()
        try fixture.open()
        fixture.disk.blockedReads = 1000
        var tickets: [(Key, ReadTicket)] = []
        for key in keys {
            guard case .onDisk(let ticket) = fixture.store.read(parent, key) else { return XCTFail("\(key) was read") }
            tickets.append((key, ticket))
        }
        fixture.store.split()
        for (key, ticket) in tickets {
            let job = try XCTUnwrap(fixture.store.takeRead(ticket))
            guard case .record(let record) = try fixture.store.completed(job.run()).value else {
                return XCTFail("\(key) is gone")
            }
            XCTAssertEqual(record.value, Array("value of \(key)".utf8))
        }
    }

    /// Damage is named by the partition that has the record now, and the segment is emptied for both.
    func testDamageIsOfThePartitionThatHasTheRecord() throws {
        let fixture = try fixture(segment: 1 << 20)
        fixture.options.cache = 0
        fill(fixture.store, isTombstone: false)
        try fixture.commit()
        try fixture.open()
        let spoiled = try XCTUnwrap(keys.first { isInChild($0) })
        let entry = try XCTUnwrap(fixture.store.catalog.existing(parent))
        let found = try XCTUnwrap(spoiled.bytes.withUnsafeBytes { entry.index.find($0, KeyHash(spoiled)) })
        let location = entry.index.pointer(found).pointee.location
        fixture.disk.flipBit(fixture.path("0000000001.log"), byte: Int(location.offset) + 50, bit: 1)
        XCTAssertThrowsError(try fixture.read(spoiled, parent))
        XCTAssertEqual(fixture.store.damagedRecords().map(\.partition), [parent])
        fixture.slots = try slots(2)
        fixture.store.split()
        XCTAssertEqual(fixture.store.damagedRecords().map(\.partition), [child])
        try fixture.settle()
        let record = Record(
            version: try XCTUnwrap(fixture.store.head(child, spoiled)).version, value: Array("value of \(spoiled)".utf8)
        )
        XCTAssertTrue(fixture.store.restore(child, spoiled, record))
        XCTAssertEqual(fixture.store.damagedRecords(), [])
        try fixture.settle()
        XCTAssertFalse(fixture.segmentFiles().contains("0000000001.log"))
        try fixture.crash()
        for key in keys {
            XCTAssertEqual(
                try fixture.read(key, fixture.store.slots.partition(of: key.slot))?.value,
                Array("value of \(key)".utf8))
        }
    }

    /// The values in the cache stay there, and are evicted from where they are now.
    func testTheCacheFollowsASplit() throws {
        let fixture = try fixture()
        fill(fixture.store, isTombstone: false)
        try fixture.settle()
        for key in keys.prefix(20) { _ = try fixture.read(key, parent) }
        let before = fixture.store.statistics
        XCTAssertGreaterThan(before.cacheBytes, 0)
        fixture.store.split()
        XCTAssertEqual(fixture.store.statistics.cacheBytes, before.cacheBytes)
        for _ in 0..<5 {
            for key in keys.prefix(20) {
                let partition = fixture.store.slots.partition(of: key.slot)
                XCTAssertEqual(try fixture.read(key, partition)?.value, Array("value of \(key)".utf8))
            }
        }
        XCTAssertGreaterThan(fixture.store.statistics.cacheHits, before.cacheHits)
    }

    /// Once every partition has one slot, nothing is left to split.
    func testTheLastSplit() throws {
        let fixture = try StoreFixture()
        fixture.slots = SlotMap(founding: Slot.count / 2, count: Slot.count - 1)
        try fixture.open()
        fixture.store.split()
        XCTAssertEqual(fixture.store.slots.count, Slot.count)
        fixture.store.split()
        XCTAssertEqual(fixture.store.slots.count, Slot.count)
        XCTAssertEqual(fixture.store.appended, 0)
    }
}
