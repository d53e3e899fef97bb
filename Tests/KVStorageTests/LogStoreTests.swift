import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

final class LogStoreTests: XCTestCase {
    func testAnAppendIsReadableAtOnceAndDurableAfterItsCommit() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        fixture.put("a", "1")
        XCTAssertEqual(fixture.store.appended, 1)
        XCTAssertEqual(fixture.store.durable, 0)
        XCTAssertEqual(try fixture.text("a"), "1")
        try fixture.commit()
        XCTAssertEqual(fixture.store.durable, 1)
        XCTAssertEqual(try fixture.text("a"), "1")
        XCTAssertNil(try fixture.read("b"))
        XCTAssertNil(try fixture.read("a", 7))
    }

    func testAppendsDuringACommitGoWithTheNext() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        fixture.put("a", "1")
        let first = try XCTUnwrap(fixture.store.takeCommit())
        fixture.put("a", "2")
        fixture.put("b", "3")
        XCTAssertNil(fixture.store.takeCommit(), "one is under way")
        XCTAssertNil(fixture.store.completed(first.run()))
        XCTAssertEqual(fixture.store.durable, 1)
        XCTAssertEqual(try fixture.text("a"), "2")
        let operations = fixture.disk.operations
        let second = try XCTUnwrap(fixture.store.takeCommit())
        XCTAssertNil(fixture.store.completed(second.run()))
        XCTAssertEqual(fixture.store.durable, 3)
        XCTAssertEqual(fixture.disk.operations - operations, 2, "one write and one sync for both")
        XCTAssertNil(fixture.store.takeCommit(), "nothing is left")
    }

    func testEverythingOfARecordComesBack() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        let record = Record(
            version: Version(ballot: Ballot(round: Ballot.maximumRound, node: NodeNumber(.max)), sequence: .max),
            expiry: Expiry(milliseconds: .max), value: Array(0...255), contentType: "text/plain; charset=utf-8")
        let key = Key(Array((0...255).reversed()))
        fixture.store.put(PartitionID(16383), key, record)
        fixture.store.put(PartitionID(16383), Key([]), Record(version: fixture.nextVersion(), value: []))
        XCTAssertEqual(try fixture.read(key, PartitionID(16383)), record, "from the batch")
        try fixture.commit()
        XCTAssertEqual(try fixture.read(key, PartitionID(16383)), record, "from the file")
        XCTAssertEqual(try fixture.read(key, PartitionID(16383)), record, "from the cache")
        try fixture.crash()
        XCTAssertEqual(fixture.store.head(PartitionID(16383), key), record.head)
        XCTAssertEqual(try fixture.read(key, PartitionID(16383)), record)
        XCTAssertEqual(try fixture.read(Key([]), PartitionID(16383))?.value, [])
    }

    func testAVersionThatIsNotAboveTheOneHeldIsIgnored() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        let old = fixture.nextVersion()
        fixture.put("a", "new")
        fixture.store.put(partitionZero, Key("a"), Record(version: old, value: [1]))
        XCTAssertEqual(try fixture.text("a"), "new")
        XCTAssertEqual(fixture.store.appended, 1)
    }

    func testUsageAndTreeFollowEveryChange() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        XCTAssertEqual(fixture.store.tree(partitionZero).root, HashTree().root)
        fixture.put("a", "12345")
        fixture.put("bb", "123")
        fixture.put("a", "1")
        XCTAssertEqual(fixture.store.usage(partitionZero), PartitionUsage(keys: 2, tombstones: 0, bytes: 7))
        fixture.put("bb", nil)
        XCTAssertEqual(fixture.store.usage(partitionZero), PartitionUsage(keys: 1, tombstones: 1, bytes: 4))
        XCTAssertEqual(fixture.store.tree(partitionZero).leaves, fixture.treeFromScratch().leaves)
        try fixture.commit()
        try fixture.open()
        XCTAssertEqual(fixture.store.usage(partitionZero), PartitionUsage(keys: 1, tombstones: 1, bytes: 4))
        XCTAssertEqual(fixture.store.tree(partitionZero).leaves, fixture.treeFromScratch().leaves)
    }

    func testALeafListsItsRecordsAndNoOthers() throws {
        let fixture = try StoreFixture(segment: 1 << 20)
        try fixture.open()
        for number in 0..<600 { fixture.put("key-\(number)", "v") }
        var seen = 0
        for leaf in 0..<HashTree.leafCount {
            fixture.store.forEach(partitionZero, leaf: leaf) { key, _, _ in
                XCTAssertEqual(HashTree.leaf(of: KeyHash(key)), leaf)
                seen += 1
            }
        }
        XCTAssertEqual(seen, 600)
    }

    func testPromisesOnlyRiseAndAreSyncedInEveryMode() throws {
        for sync in [SyncMode.always, .never, .interval(.milliseconds(1000))] {
            for seed in 1...20 as ClosedRange<UInt64> {
                let fixture = try StoreFixture(seed: seed, sync: sync)
                try fixture.open()
                fixture.put("a", "1")
                fixture.store.setPromise(partitionZero, ballot(5))
                fixture.store.setPromise(partitionZero, ballot(4))
                XCTAssertEqual(fixture.store.promise(partitionZero), ballot(5))
                XCTAssertEqual(fixture.store.appended, 2)
                try fixture.commit()
                try fixture.sync()
                XCTAssertEqual(fixture.store.synced, 2)
                try fixture.crash()
                XCTAssertEqual(fixture.store.promise(partitionZero), ballot(5))
                XCTAssertEqual(try fixture.text("a"), "1", "synced together with what came before it")
            }
        }
    }

    func testAWipeForgetsTheRecordsAndTheFloorOfItsPartitionAndKeepsThePromise() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        fixture.store.setPromise(partitionZero, ballot(3))
        fixture.store.setPurgeFloor(partitionZero, fixture.put("a", "1"))
        fixture.put("b", "1", 1)
        XCTAssertEqual(fixture.store.membership(partitionZero), 0)
        fixture.store.wipe(partitionZero, membership: 7)
        fixture.put("c", "1")
        for _ in 0..<2 {
            XCTAssertEqual(Set(fixture.keys().keys), ["c"])
            XCTAssertEqual(Set(fixture.keys(1).keys), ["b"])
            XCTAssertEqual(fixture.store.promise(partitionZero), ballot(3))
            XCTAssertEqual(fixture.store.membership(partitionZero), 7)
            XCTAssertEqual(fixture.store.membership(PartitionID(1)), 0)
            XCTAssertEqual(fixture.store.purgeFloor(partitionZero), .zero)
            XCTAssertEqual(fixture.store.tree(partitionZero).root, fixture.treeFromScratch().root)
            try fixture.commit()
            try fixture.crash()
        }
    }

    /// Who is no member any more is of membership 0, which is lower than what it was.
    func testTheNewestWipeCountsWhateverItsMembership() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        for membership in [7, 0, 9, 0] as [Epoch] {
            fixture.put("a", "1")
            fixture.store.setPurgeFloor(partitionZero, fixture.nextVersion())
            fixture.store.wipe(partitionZero, membership: membership)
            for _ in 0..<2 {
                XCTAssertEqual(fixture.store.membership(partitionZero), membership)
                XCTAssertEqual(fixture.store.purgeFloor(partitionZero), .zero)
                XCTAssertEqual(fixture.keys(), [:])
                try fixture.commit()
                try fixture.crash()
            }
        }
    }

    func testAFloorThatIsNotAboveThePresentOneChangesNothing() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        let low = fixture.put("a", nil)
        let floor = fixture.nextVersion()
        fixture.store.setPurgeFloor(partitionZero, floor)
        let appended = fixture.store.appended
        for other in [floor, low, .zero] { fixture.store.setPurgeFloor(partitionZero, other) }
        XCTAssertEqual(fixture.store.appended, appended)
        XCTAssertEqual(fixture.store.purgeFloor(partitionZero), floor)
        fixture.store.wipe(partitionZero, membership: 3)
        fixture.store.setPurgeFloor(partitionZero, low)
        XCTAssertEqual(fixture.store.purgeFloor(partitionZero), low, "a new membership begins from nothing")
    }

    /// The metadata quorum's partition comes after the last with slots.
    func testTheMetadataPartitionIsLikeAnyOther() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        fixture.store.setPromise(PartitionID(16384), ballot(2))
        fixture.store.wipe(PartitionID(16384), membership: 1)
        fixture.put("topology", "1", 16384)
        try fixture.settle()
        try fixture.crash()
        XCTAssertEqual(fixture.store.promise(PartitionID(16384)), ballot(2))
        XCTAssertEqual(fixture.store.membership(PartitionID(16384)), 1)
        XCTAssertEqual(try fixture.text("topology", 16384), "1")
    }

    func testThePurgeFloorRemovesTombstonesUpToItForGood() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        fixture.put("a", "1")
        fixture.put("b", "1")
        let floor = fixture.put("a", nil)
        fixture.put("b", nil)
        fixture.store.setPurgeFloor(partitionZero, floor)
        for _ in 0..<2 {
            XCTAssertNil(fixture.store.head(partitionZero, Key("a")))
            XCTAssertEqual(fixture.store.head(partitionZero, Key("b"))?.isTombstone, true)
            XCTAssertEqual(fixture.store.purgeFloor(partitionZero), floor)
            XCTAssertEqual(fixture.store.tree(partitionZero).root, fixture.treeFromScratch().root)
            try fixture.commit()
            try fixture.crash()
        }
    }

    func testATombstoneBelowTheFloorIsGoneAsSoonAsItComes() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        fixture.put("a", "1")
        let tombstone = fixture.nextVersion()
        fixture.store.setPurgeFloor(partitionZero, fixture.nextVersion())
        fixture.store.put(partitionZero, Key("a"), Record(version: tombstone, value: nil))
        XCTAssertNil(fixture.store.head(partitionZero, Key("a")))
        try fixture.commit()
        try fixture.crash()
        XCTAssertNil(fixture.store.head(partitionZero, Key("a")))
    }

    func testTheIntervalIsKeptByTheTimer() throws {
        let fixture = try StoreFixture(sync: .interval(.milliseconds(100)))
        try fixture.open()
        func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }
        XCTAssertNil(fixture.store.takeSync(now: at(0)), "nothing to sync")
        fixture.put("a", "1")
        try fixture.commit()
        XCTAssertEqual(fixture.store.durable, 1)
        let first = try XCTUnwrap(fixture.store.takeSync(now: at(1)))
        XCTAssertNil(fixture.store.takeSync(now: at(500)), "one is under way")
        XCTAssertNil(fixture.store.completed(first.run()))
        fixture.put("a", "2")
        try fixture.commit()
        XCTAssertNil(fixture.store.takeSync(now: at(100)))
        let second = try XCTUnwrap(fixture.store.takeSync(now: at(101)))
        XCTAssertNil(fixture.store.completed(second.run()))
        XCTAssertNil(fixture.store.takeSync(now: at(900)), "all is synced")
        try fixture.crash()
        XCTAssertEqual(try fixture.text("a"), "2")
    }

    func testAPromiseIsSyncedAtOnceAndOtherWritesGoOnMeanwhile() throws {
        for mode in [SyncMode.interval(.milliseconds(100)), .never] {
            let fixture = try StoreFixture(sync: mode)
            try fixture.open()
            func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }
            fixture.store.setPromise(partitionZero, ballot(7))
            try fixture.commit()
            XCTAssertEqual(fixture.store.durable, 1)
            XCTAssertEqual(fixture.store.synced, 0)
            let first = try XCTUnwrap(fixture.store.takeSync(now: at(1)))
            fixture.put("a", "1")
            fixture.store.setPromise(partitionZero, ballot(8))
            try fixture.commit()
            XCTAssertEqual(fixture.store.durable, 3, "a sync under way holds nothing up")
            XCTAssertNil(fixture.store.completed(first.run()))
            XCTAssertEqual(fixture.store.synced, 1)
            let second = try XCTUnwrap(fixture.store.takeSync(now: at(1)), "the second promise waits")
            XCTAssertNil(fixture.store.completed(second.run()))
            XCTAssertEqual(fixture.store.synced, 3)
            fixture.put("b", "1")
            try fixture.commit()
            XCTAssertNil(fixture.store.takeSync(now: at(2)), "a record waits for the interval, if for anything")
            try fixture.crash()
            XCTAssertEqual(fixture.store.promise(partitionZero), ballot(8))
        }
    }

    func testWhatCannotBeStoredFailsTheStoreInsteadOfTrapping() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        let key = Key(Array(repeating: 1, count: LogStore.maximumKey + 1))
        fixture.store.put(partitionZero, key, Record(version: fixture.nextVersion(), value: []))
        guard case .tooLarge? = fixture.store.failure else { return XCTFail("\(fixture.store.failure as Any)") }
        XCTAssertNil(fixture.store.takeCommit())
    }

    /// A key without bytes, first of all in a partition, and the longest one; also through a crash, a merge and a
    /// deletion.
    func testKeysOfEveryLengthComeBack() throws {
        let fixture = try StoreFixture(segment: 1 << 20)
        try fixture.open()
        let keys = [
            "", "k", String(repeating: "k", count: 1023), String(repeating: "k", count: 1025),
            String(repeating: "k", count: Key.maximumBytes),
        ]
        for key in keys {
            for value in ["", "v"] {
                fixture.put(key, value)
                try fixture.commit()
                XCTAssertEqual(try fixture.read(key)?.value, Array(value.utf8), "\(key.count)")
            }
        }
        try fixture.crash()
        try fixture.settle()
        for key in keys { XCTAssertEqual(try fixture.read(key)?.value, Array("v".utf8), "\(key.count)") }
        var seen: Set<Key> = []
        fixture.store.forEach(PartitionID(0)) { key, _ in seen.insert(key) }
        XCTAssertEqual(seen, Set(keys.map { Key($0) }))
        for key in keys { fixture.put(key, nil) }
        try fixture.commit()
        try fixture.crash()
        for key in keys { XCTAssertEqual(try fixture.read(key)?.value, nil, "\(key.count)") }
        XCTAssertNil(fixture.store.failure)
    }

    func testLongKeysAndLargeValuesSpanManyBatches() throws {
        let fixture = try StoreFixture(segment: 1 << 20)
        fixture.options.cache = 64 << 20
        try fixture.open()
        let key = String(repeating: "k", count: LogStore.maximumKey)
        fixture.put(key, "long")
        let value = String(repeating: "v", count: 900_000)
        for number in 0..<12 { fixture.put("large-\(number)", value) }
        try fixture.settle()
        XCTAssertGreaterThan(fixture.store.statistics.commits, 2)
        try fixture.open()
        XCTAssertEqual(try fixture.text(key), "long")
        for number in 0..<12 { XCTAssertEqual(try fixture.text("large-\(number)"), value) }
    }
}
