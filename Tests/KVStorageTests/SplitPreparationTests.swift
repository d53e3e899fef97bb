import KVCore
import XCTest

@testable import KVStorage

/// Splits that are prepared in steps. Partition 0 is split into 0 and 2, then into 0 and 3, then 2 into 2 and 4.
final class SplitPreparationTests: XCTestCase {
    private let parent = PartitionID(0)
    private let child = PartitionID(2)

    private func slots(_ count: Int) throws -> SlotMap { try XCTUnwrap(SlotMap(founding: 1, count: count)) }

    private func key(_ number: Int) -> Key { Key("key-\(number)") }

    private func version(_ sequence: Int) -> Version { Version(ballot: ballot(1), sequence: UInt64(sequence)) }

    /// A store with one partition of so many records. Every third is a tombstone, every fifth of the others expires.
    private func fixture(_ count: Int, cache: Int = 0) throws -> StoreFixture {
        let fixture = try StoreFixture(segment: 1 << 20)
        fixture.options.cache = cache
        fixture.slots = try slots(1)
        try fixture.open()
        fixture.store.wipe(parent, membership: 3)
        for number in 0..<count { put(number, fixture) }
        try fixture.commit()
        return fixture
    }

    private func put(_ number: Int, _ fixture: StoreFixture, sequence: Int? = nil, isTombstone: Bool? = nil) {
        let isTombstone = isTombstone ?? (number % 3 == 0)
        fixture.store.put(
            fixture.store.slots.partition(of: key(number).slot), key(number),
            Record(
                version: version(sequence ?? number + 1), expiry: expiry(of: number),
                value: isTombstone ? nil : Array("value \(number)".utf8)))
    }

    private func expiry(of number: Int) -> Expiry {
        number % 5 == 1 ? Expiry(milliseconds: UInt64(1000 + number)) : .never
    }

    /// What the store shows of a partition.
    private struct View: Equatable {
        var heads: [Key: RecordHead] = [:]
        var leaves: [Key: UInt32] = [:]
        var tree: [HashTree.Leaf]
        var usage: PartitionUsage
        var expired: Set<Key> = []

        init(_ partition: PartitionID, _ store: LogStore) {
            tree = store.tree(partition).leaves
            usage = store.usage(partition)
            store.forEach(partition) { heads[$0] = $1 }
            for leaf in 0..<HashTree.leafCount { store.forEach(partition, leaf: leaf) { leaves[$0] = $2 } }
            _ = store.forEachExpired(partition, at: 1 << 40, limit: .max >> 8) { key, _ in expired.insert(key) }
        }
    }

    func testNothingIsSeenOfAPreparation() throws {
        let fixture = try fixture(500, cache: 4096)
        for number in 0..<30 { _ = try fixture.read(key(number), parent) }
        let before = View(parent, fixture.store)
        XCTAssertGreaterThan(before.expired.count, 20)
        var steps = 0
        var isPrepared = false
        while !isPrepared {
            var work = 20
            isPrepared = fixture.store.prepareSplits(to: 2, work: &work)
            steps += 1
            XCTAssertEqual(View(parent, fixture.store), before)
            XCTAssertNil(fixture.store.brokenInvariant)
            XCTAssertEqual(View(child, fixture.store), View(PartitionID(9), fixture.store), "it does not exist")
            XCTAssertEqual(fixture.store.membership(child), 0)
            XCTAssertEqual(fixture.store.promise(child), .zero)
            for number in 0..<30 where number % 3 != 0 {
                XCTAssertEqual(try fixture.read(key(number), parent)?.value, Array("value \(number)".utf8))
                XCTAssertNil(fixture.store.head(child, key(number)))
            }
        }
        XCTAssertGreaterThan(steps, 20)
        XCTAssertEqual(fixture.store.nextExpiry(parent), Expiry(milliseconds: 1))
    }

    /// A call looks at no more than it may, and together they look at each record once.
    func testStepsAreAsLongAsTheCallerSays() throws {
        for limit in [1, 7, 100] {
            let fixture = try fixture(1000)
            func moved() -> Int { fixture.store.catalog.held(child)?.index.count ?? 0 }
            var (total, calls) = (0, 0)
            var isPrepared = false
            while !isPrepared {
                let before = moved()
                var work = limit
                isPrepared = fixture.store.prepareSplits(to: 2, work: &work)
                XCTAssertLessThanOrEqual(moved() - before, 1 + limit / (1 + Catalog.moved))
                XCTAssertLessThanOrEqual(limit - work, limit + Catalog.moved)
                total += limit - work
                calls += 1
            }
            XCTAssertGreaterThan(moved(), 400)
            XCTAssertEqual(total, 1000 + moved() * Catalog.moved)
            XCTAssertGreaterThanOrEqual(calls, total / (limit + Catalog.moved))
        }
    }

    /// The partitions of a store that is split without preparation are the same.
    func testPreparedSplitsMoveNothing() throws {
        let (prepared, other) = (try fixture(600), try fixture(600))
        var work = 200
        while !prepared.store.prepareSplits(to: 4, work: &work) {
            XCTAssertNil(prepared.store.brokenInvariant)
            work = 200
        }
        let partitions = [0, 2, 3, 4].map { PartitionID($0) }
        let counts = partitions.map { prepared.store.catalog.held($0)?.index.count }
        for count in 2...4 {
            prepared.store.split()
            other.store.split()
            XCTAssertEqual(partitions.map { prepared.store.catalog.held($0)?.index.count }, counts)
            for partition in partitions {
                XCTAssertEqual(View(partition, prepared.store), View(partition, other.store))
                XCTAssertEqual(
                    prepared.store.membership(partition), prepared.store.slots.place(of: partition) == nil ? 0 : 3)
            }
            for store in [prepared.store, other.store] {
                XCTAssertEqual(store?.slots, try slots(count))
                XCTAssertNil(store?.brokenInvariant)
            }
        }
        XCTAssertNil(prepared.store.catalog.existing(parent)?.children)
        XCTAssertTrue(prepared.store.catalog.preparing.isEmpty)
        prepared.slots = try slots(4)
        let views = partitions.map { View($0, prepared.store) }
        try prepared.commit()
        try prepared.crash()
        XCTAssertEqual(partitions.map { View($0, prepared.store) }, views)
    }

    /// Records that come, change and go between the steps, a purge, a wipe, and memory that is given back.
    func testWorkGoesOnBetweenTheSteps() throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let fixture = try fixture(300, cache: 4096)
            var random = SplitMix(seed: seed)
            func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
            var model: [Key: RecordHead] = [:]
            fixture.store.forEach(parent) { model[$0] = $1 }
            func isParents(_ key: Key) -> Bool { fixture.store.slots.partition(of: key.slot) == parent }
            var sequence = 1000
            for step in 0..<600 {
                sequence += 1
                var work = below(12)
                _ = fixture.store.prepareSplits(to: 4, work: &work)
                let number = below(300)
                switch below(20) {
                case 0..<8:
                    put(number, fixture, sequence: sequence, isTombstone: step > 300)
                    model[key(number)] = RecordHead(
                        version: version(sequence), expiry: expiry(of: number), isTombstone: step > 300)
                case 8..<12: _ = try fixture.read(key(number), parent)
                case 12: try fixture.settle()
                case 13 where below(4) == 0:
                    let floor = version(sequence - 100)
                    fixture.store.setPurgeFloor(parent, floor)
                    model = model.filter { !isParents($0.key) || !$0.value.isTombstone || $0.value.version > floor }
                case 14 where below(40) == 0:
                    fixture.store.wipe(parent, membership: UInt64(sequence))
                    model = model.filter { !isParents($0.key) }
                case 15: fixture.store.setPromise(parent, ballot(UInt64(step)))
                case 16 where below(30) == 0: fixture.store.split()
                default: break
                }
                guard step % 10 == 0 else { continue }
                var found: [Key: RecordHead] = [:]
                for partition in fixture.store.slots.partitions {
                    fixture.store.forEach(partition) { found[$0] = $1 }
                }
                XCTAssertEqual(found, model, "seed \(seed), step \(step)")
                XCTAssertNil(fixture.store.brokenInvariant, "seed \(seed), step \(step)")
            }
        }
    }

    /// A partition that the store holds nothing of when its split is prepared, and then does.
    func testAPartitionThatComesAfterThePreparationIsDivided() throws {
        let fixture = try StoreFixture()
        fixture.slots = try slots(1)
        try fixture.open()
        var work = 1
        XCTAssertTrue(fixture.store.prepareSplits(to: 4, work: &work), "there is nothing to do")
        fixture.store.wipe(parent, membership: 1)
        for number in 0..<50 { put(number, fixture) }
        XCTAssertTrue(fixture.store.prepareSplits(to: 4, work: &work), "all went to its place")
        let counts = [0, 2, 3, 4].map { fixture.store.catalog.held(PartitionID($0))?.index.count ?? 0 }
        XCTAssertFalse(counts.contains(0), "\(counts)")
        while fixture.store.slots.count < 4 { fixture.store.split() }
        XCTAssertEqual([0, 2, 3, 4].map { fixture.store.catalog.existing(PartitionID($0))?.index.count ?? 0 }, counts)
        XCTAssertEqual(fixture.store.membership(PartitionID(4)), 1)
        XCTAssertNil(fixture.store.brokenInvariant)
    }

    /// Records of a damaged segment are found and moved wherever their entries are.
    func testADamagedSegmentIsEmptiedDuringAPreparation() throws {
        let fixture = try fixture(600)
        fixture.store.writer.endSegment()
        put(600, fixture)
        try fixture.commit()
        let segment = try XCTUnwrap(fixture.store.catalog.segments[1])
        fixture.store.markDamaged(segment)
        var isPrepared = false
        for _ in 0..<1000 where !(isPrepared && segment.isEmptied) {
            try fixture.commit()
            let job = fixture.store.takeMaintenance()
            var work = 150
            isPrepared = fixture.store.prepareSplits(to: 2, work: &work)
            if isPrepared, fixture.store.slots.count == 1 { fixture.store.split() }
            if let job { XCTAssertNil(fixture.store.completed(job.run())) }
        }
        XCTAssertTrue(isPrepared && segment.isEmptied)
        XCTAssertEqual(segment.live, 0)
        XCTAssertNil(fixture.store.brokenInvariant)
        try fixture.settle()
        XCTAssertFalse(fixture.segmentNumbers().contains(1))
        fixture.slots = try slots(2)
        try fixture.crash()
        XCTAssertEqual(fixture.store.usage(parent).keys + fixture.store.usage(child).keys, 400)
    }
}
