import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

private struct NotOnDisk: Error {}

final class ReadTests: XCTestCase {
    private func blocked() throws -> StoreFixture {
        let fixture = try StoreFixture()
        fixture.disk.blockedReads = 1000
        try fixture.open()
        fixture.put("a", "1")
        try fixture.commit()
        return fixture
    }

    private func ticket(_ fixture: StoreFixture, _ key: String) throws -> ReadTicket {
        guard case .onDisk(let ticket) = fixture.store.read(partitionZero, Key(key)) else {
            throw NotOnDisk()
        }
        return ticket
    }

    func testATicketGivesTheRecordAsItWasWhenItWasGiven() throws {
        let fixture = try blocked()
        let ticket = try ticket(fixture, "a")
        fixture.put("a", "2")
        let job = try XCTUnwrap(fixture.store.takeRead(ticket))
        XCTAssertEqual(
            try fixture.store.completed(job.run()).value,
            .record(Record(version: Version(ballot: ballot(1), sequence: 1), value: Array("1".utf8))))
        XCTAssertEqual(try fixture.text("a"), "2", "the old value has not entered the cache")
        XCTAssertNil(fixture.store.takeRead(ticket), "it is used up")
    }

    func testWhatIsInNoHurryIsNeitherReadAtOnceNorCached() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        fixture.put("a", "1")
        guard case .found = fixture.store.readLater(partitionZero, Key("a")) else {
            return XCTFail("what is not written yet is in memory")
        }
        try fixture.commit()
        guard case .onDisk(let ticket) = fixture.store.readLater(partitionZero, Key("a")) else {
            return XCTFail("it is not to be read at once, though the system may have it in memory")
        }
        XCTAssertEqual(ticket.bytes, 2, "of a key and a value of a byte each")
        let job = try XCTUnwrap(fixture.store.takeRead(ticket))
        XCTAssertEqual(
            try fixture.store.completed(job.run()).value,
            .record(Record(version: Version(ballot: ballot(1), sequence: 1), value: Array("1".utf8))))
        XCTAssertEqual(fixture.store.statistics.cacheBytes, 0)
        guard case .absent = fixture.store.readLater(partitionZero, Key("b")) else { return XCTFail("there is no b") }
    }

    func testWhatIsNotInMemoryIsNotReadAtOnceAndNothingIsAskedFor() throws {
        let fixture = try blocked()
        XCTAssertNil(fixture.store.readAtOnce(partitionZero, Key("a")), "its value is on disk")
        XCTAssertEqual(fixture.store.statistics.cacheMisses, 0, "it will count once, when it is asked for")
        XCTAssertEqual(try ticket(fixture, "a").raw, 1, "no ticket was given for it")
        XCTAssertEqual(fixture.store.statistics.cacheMisses, 1)
        guard case .absent = fixture.store.readAtOnce(partitionZero, Key("b")) else { return XCTFail("there is no b") }
        fixture.put("b", "2")
        guard case .found(let record) = fixture.store.readAtOnce(partitionZero, Key("b")) else {
            return XCTFail("what is not written yet is in memory")
        }
        XCTAssertEqual(record.value, Array("2".utf8))
    }

    /// A hint for keys that are held, were deleted, are nowhere, and of partitions that are not here.
    func testPrefetchingChangesNothing() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        for number in 0..<100 { fixture.put("key-\(number)", "\(number)") }
        try fixture.commit()
        for number in 0..<50 { XCTAssertEqual(try fixture.text("key-\(number)"), "\(number)") }
        let before = fixture.store.statistics
        let keys = (0..<200).map { (partition: PartitionID(UInt16($0 % 3)), hash: KeyHash(Key("key-\($0)"))) }
        let strange = keys.map { ($0.partition, KeyHash(Key([]))) } + [(PartitionID(.max), KeyHash(Key("a")))]
        fixture.store.prefetch(keys + strange)
        fixture.store.prefetch([])
        XCTAssertEqual(fixture.store.statistics.cacheHits, before.cacheHits)
        XCTAssertEqual(fixture.store.statistics.cacheMisses, before.cacheMisses)
        for number in 0..<100 { XCTAssertEqual(try fixture.text("key-\(number)"), "\(number)") }
    }

    func testATicketOutlivesTheMergeOfItsSegment() throws {
        let fixture = try blocked()
        let ticket = try ticket(fixture, "a")
        for number in 0..<200 {
            fixture.put("b", "\(number)")
            try fixture.commit()
        }
        try fixture.settle()
        XCTAssertFalse(fixture.segmentFiles().contains("0000000001.log"))
        let job = try XCTUnwrap(fixture.store.takeRead(ticket))
        XCTAssertEqual(
            try fixture.store.completed(job.run()).value,
            .record(Record(version: Version(ballot: ballot(1), sequence: 1), value: Array("1".utf8))))
    }

    func testARecordThatWasWipedMeanwhileIsGone() throws {
        let fixture = try blocked()
        let ticket = try ticket(fixture, "a")
        fixture.store.wipe(partitionZero, membership: 2)
        fixture.put("a", "2")
        let job = try XCTUnwrap(fixture.store.takeRead(ticket))
        let loaded = try fixture.store.completed(job.run())
        XCTAssertEqual(loaded.value, .gone, "which is not to say that it is absent")
    }

    func testTheCacheHoldsItsBytesAndServesWhatIsInIt() throws {
        let fixture = try StoreFixture(segment: 1 << 20)
        fixture.options.cache = 4000
        try fixture.open()
        for number in 0..<100 { fixture.put("key-\(number)", String(repeating: "v", count: 100)) }
        try fixture.commit()
        for round in 0..<3 {
            for number in 0..<100 {
                XCTAssertNotNil(try fixture.read("key-\(number)"), "\(round)")
                XCTAssertLessThanOrEqual(fixture.store.statistics.cacheBytes, 4000)
            }
        }
        XCTAssertGreaterThan(fixture.store.statistics.cacheBytes, 3000)
        let hits = fixture.store.statistics.cacheHits
        fixture.disk.blockedReads = 1000
        XCTAssertNotNil(try fixture.read("key-99"))
        XCTAssertEqual(fixture.store.statistics.cacheHits, hits + 1)
        fixture.put("key-99", "changed")
        try fixture.commit()
        XCTAssertEqual(try fixture.text("key-99"), "changed", "a cached value follows its key's changes")
        XCTAssertEqual(fixture.store.statistics.cacheHits, hits + 2)
        fixture.store.wipe(partitionZero, membership: 2)
        try fixture.settle()
        XCTAssertEqual(fixture.store.statistics.cacheBytes, 0)
    }

    func testWithoutACacheEveryReadGoesToTheFile() throws {
        let fixture = try StoreFixture()
        fixture.options.cache = 0
        try fixture.open()
        fixture.put("a", "1")
        try fixture.commit()
        XCTAssertEqual(try fixture.text("a"), "1")
        XCTAssertEqual(try fixture.text("a"), "1")
        XCTAssertEqual(fixture.store.statistics.cacheHits, 0)
        XCTAssertEqual(fixture.store.statistics.cacheBytes, 0)
    }
}
