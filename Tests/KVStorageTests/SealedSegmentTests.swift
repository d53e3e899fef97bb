import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

/// Sidecars and merging.
final class SealedSegmentTests: XCTestCase {
    /// Several sealed segments with sidecars, and what the store holds.
    private func settled() throws -> (StoreFixture, StoreModel) {
        let fixture = try StoreFixture(segment: 1000)
        try fixture.open()
        fixture.store.setPromise(partitionZero, ballot(7))
        for number in 0..<40 {
            fixture.put("key-\(number % 25)", number % 5 == 0 ? nil : "value \(number)")
            try fixture.commit()
        }
        try fixture.settle()
        return (fixture, try model(fixture))
    }

    private func model(_ fixture: StoreFixture) throws -> StoreModel {
        try StoreModel.read(fixture, [partitionZero])
    }

    func testEverySealedSegmentGetsASidecarAndAStartReadsThoseAlone() throws {
        let (fixture, model) = try settled()
        let logs = fixture.segmentFiles()
        XCTAssertGreaterThan(logs.count, 2)
        let sidecars = fixture.disk.names(StoreFixture.directory).filter { $0.hasSuffix(".index") }
        XCTAssertEqual(sidecars.map { $0.dropLast(6) }, logs.dropLast().map { $0.dropLast(4) })
        // Damage where only values are is not met by a start.
        let path = fixture.path(logs[0])
        let bytes = try XCTUnwrap(fixture.disk.contents(path))
        let place = try XCTUnwrap(bytes.indices.first { bytes[$0...].starts(with: Array("value".utf8)) })
        fixture.disk.flipBit(path, byte: place, bit: 0)
        try fixture.open()
        fixture.disk.flipBit(path, byte: place, bit: 0)
        XCTAssertEqual(try self.model(fixture), model)
    }

    func testAMissingOrDamagedSidecarIsReplaced() throws {
        let (fixture, model) = try settled()
        let path = fixture.path(fixture.segmentFiles()[0].dropLast(4) + ".index")
        let good = try XCTUnwrap(fixture.disk.contents(path))
        for byte in Array(stride(from: 0, to: good.count, by: 7)) + [good.count] {
            if byte == good.count {
                try fixture.disk.unlink(path)
            } else if byte % 2 == 0 {
                fixture.disk.flipBit(path, byte: byte, bit: byte % 8)
            } else {
                fixture.disk.restore(path, Array(good[..<byte]))
            }
            try fixture.open()
            XCTAssertEqual(try self.model(fixture), model, "byte \(byte)")
            XCTAssertEqual(fixture.store.tree(partitionZero).leaves, fixture.treeFromScratch().leaves)
            try fixture.settle()
            XCTAssertEqual(fixture.disk.contents(path), good, "byte \(byte)")
        }
    }

    func testWhatIsHeldUnderAVersionIsSummedUpAlikeWhereverItLies() throws {
        let (fixture, _) = try settled()
        let tree = fixture.store.tree(partitionZero)
        XCTAssertEqual(tree.leaves, fixture.treeFromScratch().leaves)
        // The same records in one segment, straight from memory.
        let other = try StoreFixture(segment: 1 << 20)
        try other.open()
        for (key, _) in fixture.keys() {
            let head = try XCTUnwrap(fixture.store.head(partitionZero, Key(key)))
            let record = try fixture.read(key) ?? Record(version: head.version, value: nil)
            other.store.put(partitionZero, Key(key), record)
        }
        XCTAssertEqual(other.store.tree(partitionZero).leaves, tree.leaves)
        // After a start, from sidecars and from the newest segment.
        try fixture.open()
        XCTAssertEqual(fixture.store.tree(partitionZero).leaves, tree.leaves)
        for name in fixture.disk.names(StoreFixture.directory) where name.hasSuffix(".index") {
            try fixture.disk.unlink(fixture.path(name))
        }
        try fixture.open()
        XCTAssertEqual(fixture.store.tree(partitionZero).leaves, tree.leaves)
    }

    func testAnotherValueTypeOrExpiryUnderTheSameVersionShows() throws {
        let version = Version(ballot: ballot(1), sequence: 1)
        let record = Record(version: version, expiry: Expiry(milliseconds: 5), value: [1, 2], contentType: "a/b")
        let others = [
            Record(version: version, expiry: Expiry(milliseconds: 5), value: [1, 3], contentType: "a/b"),
            Record(version: version, expiry: Expiry(milliseconds: 5), value: [1], contentType: "a/b"),
            Record(version: version, expiry: Expiry(milliseconds: 6), value: [1, 2], contentType: "a/b"),
            Record(version: version, expiry: .never, value: [1, 2], contentType: "a/b"),
            Record(version: version, expiry: Expiry(milliseconds: 5), value: [1, 2], contentType: "a/c"),
            Record(version: version, expiry: Expiry(milliseconds: 5), value: [98, 1, 2], contentType: "a/"),
            Record(version: version, expiry: Expiry(milliseconds: 5), value: [], contentType: ""),
            Record(version: version, value: nil),
        ]
        func tree(_ record: Record) throws -> HashTree {
            let fixture = try StoreFixture()
            try fixture.open()
            fixture.store.put(partitionZero, Key("k"), record)
            return fixture.store.tree(partitionZero)
        }
        let root = try tree(record).root
        for other in others {
            let found = try tree(other).root
            XCTAssertEqual(found.digest, root.digest)
            XCTAssertNotEqual(found.contents, root.contents, "\(other)")
        }
    }

    /// Version 0.2 wrote them without checksums.
    func testASidecarOfAnotherFormatIsPassedOverAndReplaced() throws {
        let (fixture, model) = try settled()
        let path = fixture.path(fixture.segmentFiles()[0].dropLast(4) + ".index")
        let good = try XCTUnwrap(fixture.disk.contents(path))
        for format in [2, 4] as [UInt32] {
            var bytes = good
            try bytes.withUnsafeMutableBytes { bytes in
                let found = SegmentHeader(UnsafeRawBufferPointer(bytes), magic: SidecarFormat.magic)
                var header = try XCTUnwrap(found)
                XCTAssertEqual(header.format, 3)
                header.format = format
                header.encode(into: try XCTUnwrap(bytes.baseAddress), magic: SidecarFormat.magic)
            }
            fixture.disk.restore(path, bytes)
            try fixture.open()
            XCTAssertEqual(try self.model(fixture), model)
            XCTAssertEqual(fixture.store.tree(partitionZero).leaves, fixture.treeFromScratch().leaves)
            try fixture.settle()
            XCTAssertEqual(fixture.disk.contents(path), good)
        }
    }

    func testDamageInASealedSegmentIsNamedWhenItsSidecarIsMissing() throws {
        let (fixture, _) = try settled()
        let log = fixture.segmentFiles()[0]
        try fixture.disk.unlink(fixture.path(log.dropLast(4) + ".index"))
        let bytes = try XCTUnwrap(fixture.disk.contents(fixture.path(log)))
        for byte in stride(from: 0, to: bytes.count, by: 5) where bytes[byte] != 0 {
            fixture.disk.flipBit(fixture.path(log), byte: byte, bit: 0)
            XCTAssertThrowsError(try fixture.open(), "byte \(byte)") { error in
                guard case StoreError.damaged(fixture.path(log), _, _) = error else { return XCTFail("\(error)") }
            }
            fixture.disk.flipBit(fixture.path(log), byte: byte, bit: 0)
        }
        fixture.disk.restore(fixture.path(log), Array(bytes.dropLast(8)))
        XCTAssertThrowsError(try fixture.open())
    }

    /// Whatever bit flips in what is synced: the store says so, or serves what was written.
    func testNoFlippedBitIsServed() throws {
        let (fixture, model) = try settled()
        for name in fixture.segmentFiles() {
            let path = fixture.path(name)
            let count = fixture.disk.contents(path)?.count ?? 0
            for byte in stride(from: 0, to: count, by: 3) {
                fixture.disk.flipBit(path, byte: byte, bit: byte % 8)
                do {
                    try fixture.open()
                    let found = try self.model(fixture)
                    XCTAssertEqual(found, model, "\(name), byte \(byte)")
                } catch StoreError.damaged(let file, _, _) {
                    XCTAssertEqual(file, path)
                }
                fixture.disk.flipBit(path, byte: byte, bit: byte % 8)
            }
        }
    }

    func testMergingGivesRoomBackAndChangesNothing() throws {
        let fixture = try StoreFixture(segment: 1000)
        try fixture.open()
        for round in 0..<100 {
            for key in 0..<5 { fixture.put("key-\(key)", "value \(round)") }
            try fixture.commit()
        }
        let model = try model(fixture)
        let before = fixture.store.statistics
        try fixture.settle()
        let after = fixture.store.statistics
        XCTAssertGreaterThan(before.diskBytes, 30_000)
        XCTAssertLessThan(after.diskBytes, 4000)
        XCTAssertGreaterThan(after.mergedSegments, 20)
        XCTAssertEqual(fixture.segmentFiles().count, after.segments)
        XCTAssertEqual(try self.model(fixture), model)
        try fixture.crash()
        XCTAssertEqual(try self.model(fixture), model)
    }

    func testAPurgedTombstoneHidesOlderRecordsUntilTheirSegmentsAreGone() throws {
        let fixture = try StoreFixture(segment: 1000)
        try fixture.open()
        // The oldest segment stays mostly alive, and holds the deleted key's only value.
        fixture.put("deleted", "must not return")
        for number in 0..<12 { fixture.put("old-\(number)", "stays") }
        try fixture.commit()
        let tombstone = fixture.put("deleted", nil)
        fixture.store.setPurgeFloor(partitionZero, tombstone)
        for number in 0..<60 {
            fixture.put("new", "\(number)")
            try fixture.commit()
        }
        try fixture.settle()
        XCTAssertEqual(fixture.segmentNumbers().first, 1)
        XCTAssertFalse(fixture.segmentNumbers().contains(2), "the tombstone's first segment was merged")
        try fixture.crash()
        XCTAssertNil(fixture.store.head(partitionZero, Key("deleted")))
        XCTAssertGreaterThan(fixture.store.catalog.segments.all.reduce(0) { $0 + $1.suppressors }, 0)
        // Once the oldest goes, so does the tombstone.
        for number in 0..<12 { fixture.put("old-\(number)", "again") }
        for _ in 0..<30 {
            fixture.put("new", "more")
            try fixture.commit()
        }
        for _ in 0..<3 {
            try fixture.settle()
            for number in 0..<12 { fixture.put("old-\(number)", "again") }
            for _ in 0..<30 {
                fixture.put("new", "more")
                try fixture.commit()
            }
        }
        try fixture.settle()
        XCTAssertEqual(fixture.store.catalog.segments.all.reduce(0) { $0 + $1.suppressors }, 0)
        try fixture.crash()
        XCTAssertNil(fixture.store.head(partitionZero, Key("deleted")))
    }

    func testAStepOfMergingWaitsForTheCommitOfTheLast() throws {
        let fixture = try StoreFixture(segment: 4000)
        fixture.options.mergeStep = 200
        try fixture.open()
        for number in 0..<60 {
            fixture.put("key-\(number % 20)", "value \(number)")
            try fixture.commit()
        }
        var steps = 0
        while let job = fixture.takeMaintenance() {
            XCTAssertNil(fixture.store.completed(job.run()))
            XCTAssertLessThanOrEqual(fixture.store.statistics.pendingBytes, 600)
            if fixture.store.appended > fixture.store.durable {
                XCTAssertNil(fixture.takeMaintenance())
                try fixture.commit()
            }
            steps += 1
        }
        XCTAssertGreaterThan(steps, 10)
    }

    func testAPromiseOutlivesACrashBetweenASegmentsHeaderAndItsFirstBatch() throws {
        let fixture = try StoreFixture(segment: 1000)
        try fixture.open()
        fixture.store.setPromise(PartitionID(3), ballot(9))
        while fixture.store.writer.tail.offset < 1064 {
            fixture.put("key", "value")
            try fixture.commit()
        }
        fixture.put("key", "the first of segment 2")
        // Seal the old, create the new, then the write of the batch, which does not happen.
        fixture.disk.stopAt = fixture.disk.operations + 8
        let job = try XCTUnwrap(fixture.store.takeCommit())
        XCTAssertNotNil(fixture.store.completed(job.run()))
        let left = try XCTUnwrap(fixture.disk.contents(fixture.path("0000000002.log")))
        XCTAssertTrue(left.dropFirst(SegmentHeader.size).allSatisfy { $0 == 0 }, "another operation than was meant")
        try fixture.crash()
        fixture.put("key", "again the first of segment 2")
        try fixture.settle()
        XCTAssertEqual(fixture.segmentNumbers(), [2], "segment 1 was merged")
        try fixture.crash()
        XCTAssertEqual(fixture.store.promise(PartitionID(3)), ballot(9))
    }

    func testPromisesAndFloorsOutliveTheSegmentsTheyWereWrittenIn() throws {
        let fixture = try StoreFixture(segment: 1000)
        try fixture.open()
        fixture.store.setPromise(PartitionID(3), ballot(9))
        fixture.store.setPurgeFloor(PartitionID(4), fixture.nextVersion())
        let floor = fixture.store.purgeFloor(PartitionID(4))
        for number in 0..<60 {
            fixture.put("new", "\(number)")
            try fixture.commit()
        }
        try fixture.settle()
        XCTAssertGreaterThan(fixture.segmentNumbers().first ?? 0, 2)
        try fixture.crash()
        XCTAssertEqual(fixture.store.promise(PartitionID(3)), ballot(9))
        XCTAssertEqual(fixture.store.purgeFloor(PartitionID(4)), floor)
    }
}
