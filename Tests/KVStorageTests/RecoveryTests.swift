import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

final class RecoveryTests: XCTestCase {
    private let log = "0000000001.log"
    /// Bytes of one of the three, without the padding after it.
    private let batch = BatchHeader.size + RecordFormat.headerSize + 1 + 100 + BatchHeader.trailerSize

    /// Three batches of one record in one segment; where each begins, and where the last ends.
    private func threeBatches(sync: SyncMode = .always) throws -> (StoreFixture, [Int]) {
        let fixture = try StoreFixture(segment: 1 << 20, sync: sync)
        try fixture.open()
        var places: [Int] = []
        for key in ["a", "b", "c"] {
            places.append(Int(fixture.store.writer.tail.offset))
            fixture.put(key, String(repeating: key, count: 100))
            try fixture.commit()
        }
        // Begun at 0, before the first segment was.
        places[0] = SegmentHeader.size
        places.append(Int(fixture.store.written.offset))
        return (fixture, places)
    }

    private func damage(_ body: () throws -> Void) -> (file: String, offset: UInt64)? {
        do { try body() } catch StoreError.damaged(let file, let offset, _) { return (file, offset) } catch {
            XCTFail("\(error)")
        }
        return nil
    }

    func testATornLastBatchIsCutOff() throws {
        let (fixture, places) = try threeBatches()
        let whole = try XCTUnwrap(fixture.disk.contents(fixture.path(log)))
        for cut in places[2]..<places[2] + batch {
            // The rest of it was never written: the file was extended by zeros.
            fixture.disk.restore(fixture.path(log), whole[..<cut] + Array(repeating: 0, count: whole.count - cut))
            try fixture.open()
            XCTAssertEqual(Set(fixture.keys().keys), ["a", "b"], "cut at \(cut)")
            XCTAssertEqual(Int(fixture.store.written.offset), places[2])
            // What comes next takes its place.
            fixture.put("d", "new")
            try fixture.commit()
            try fixture.crash()
            XCTAssertEqual(Set(fixture.keys().keys), ["a", "b", "d"])
        }
        for length in places[2]..<places[2] + batch {
            fixture.disk.restore(fixture.path(log), Array(whole[..<length]))
            try fixture.open()
            XCTAssertEqual(Set(fixture.keys().keys), ["a", "b"], "shortened to \(length)")
        }
    }

    func testAFlippedBitInSyncedBatchesIsDamageAndNotATail() throws {
        let (fixture, places) = try threeBatches()
        for byte in 0..<places[3] {
            let isPadding = byte >= places[0] && (byte - places[0]) % (places[1] - places[0]) >= batch
            if isPadding { continue }
            fixture.disk.flipBit(fixture.path(log), byte: byte, bit: byte % 8)
            let found = try XCTUnwrap(damage { try fixture.open() }, "byte \(byte)")
            XCTAssertEqual(found.file, fixture.path(log))
            XCTAssertLessThanOrEqual(Int(found.offset), byte)
            fixture.disk.flipBit(fixture.path(log), byte: byte, bit: byte % 8)
        }
        XCTAssertNoThrow(try fixture.open())
    }

    func testABatchThatVanishedBeforeASyncedOneIsDamage() throws {
        let (fixture, places) = try threeBatches()
        var bytes = try XCTUnwrap(fixture.disk.contents(fixture.path(log)))
        for place in places[1]..<places[2] { bytes[place] = 0 }
        fixture.disk.restore(fixture.path(log), bytes)
        XCTAssertEqual(damage { try fixture.open() }?.offset, UInt64(places[1]))
    }

    func testABatchThatVanishedBeforeOneThatWasNeverSyncedIsATail() throws {
        let (fixture, places) = try threeBatches(sync: .never)
        var bytes = try XCTUnwrap(fixture.disk.contents(fixture.path(log)))
        for place in places[1]..<places[2] { bytes[place] = 0 }
        fixture.disk.restore(fixture.path(log), bytes)
        try fixture.open()
        XCTAssertEqual(Set(fixture.keys().keys), ["a"])
        XCTAssertEqual(fixture.disk.contents(fixture.path(log))?.count, places[1])
    }

    func testWhatAKilledProcessWroteIsSyncedBeforeItIsServed() throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let fixture = try StoreFixture(seed: seed, segment: 1 << 20, sync: .never)
            try fixture.open()
            fixture.put("a", "1")
            try fixture.commit()
            fixture.disk.killProcess()
            try fixture.open()
            XCTAssertEqual(try fixture.text("a"), "1")
            try fixture.crash()
            XCTAssertEqual(try fixture.text("a"), "1")
        }
    }

    func testAValueThatLooksLikeABatchDoesNotPassForOne() throws {
        let (fixture, places) = try threeBatches()
        let bytes = try XCTUnwrap(fixture.disk.contents(fixture.path(log)))
        let copy = Array(bytes[places[2]..<places[3]])
        fixture.store.put(partitionZero, Key("d"), Record(version: fixture.nextVersion(), value: copy + copy))
        try fixture.commit()
        let whole = try XCTUnwrap(fixture.disk.contents(fixture.path(log)))
        // Tear the head off the batch that holds the copies: what is left must not be taken for later batches.
        var torn = whole
        for place in places[3]..<places[3] + BatchHeader.size { torn[place] = 0 }
        fixture.disk.restore(fixture.path(log), torn)
        try fixture.open()
        XCTAssertEqual(Set(fixture.keys().keys), ["a", "b", "c"])
    }

    func testAnotherStoresSegmentIsRefused() throws {
        let (fixture, _) = try threeBatches()
        fixture.options.store = UUID128(high: 1, low: 1)
        XCTAssertThrowsError(try fixture.open()) { error in
            guard case StoreError.foreign = error else { return XCTFail("\(error)") }
            XCTAssertTrue("\(error)".contains("of store \(StoreFixture.store), not segment 1 of shard 0 of store"))
        }
        fixture.options.store = StoreFixture.store
        fixture.options.shard = 1
        XCTAssertThrowsError(try fixture.open())
    }

    func testAnotherFormatIsRefused() throws {
        let path = StoreFixture.directory + "/" + log
        XCTAssertEqual(try refusal(of: 4), .newerFormat(file: path, found: 4, supported: 3))
        XCTAssertEqual(try refusal(of: 1), .olderFormat(file: path, found: 1, supported: 2))
    }

    private func refusal(of format: UInt32) throws -> StoreError? {
        let (fixture, _) = try threeBatches()
        var header = SegmentHeader(
            identity: SegmentIdentity(store: StoreFixture.store, shard: 0, number: 1), firstBatch: 1, previousEnd: 0)
        header.format = format
        var bytes = try XCTUnwrap(fixture.disk.contents(fixture.path(log)))
        bytes.withUnsafeMutableBytes { bytes in
            if let base = bytes.baseAddress { header.encode(into: base) }
        }
        fixture.disk.restore(fixture.path(log), bytes)
        var refusal: StoreError?
        XCTAssertThrowsError(try fixture.open()) { refusal = $0 as? StoreError }
        return refusal
    }
}
