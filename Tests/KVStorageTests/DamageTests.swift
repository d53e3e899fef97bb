import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

/// A disk that spoils what it holds.
final class DamageTests: XCTestCase {
    private func value(_ number: Int) -> String { "value-\(number)-" + String(repeating: "v", count: 200) }

    /// A store of several segments, without a cache.
    private func filled(keys: Int = 30, sidecars: Bool = true, blockedReads: Int = 1000) throws -> StoreFixture {
        let fixture = try StoreFixture(keepsManifest: true)
        fixture.options.cache = 0
        fixture.disk.blockedReads = blockedReads
        try fixture.open()
        for number in 0..<keys {
            fixture.put("key-\(number)", value(number))
            try fixture.commit()
        }
        if sidecars { try fixture.settle() }
        return fixture
    }

    /// Flips a bit in the value of a key, wherever it lies.
    private func spoil(_ fixture: StoreFixture, _ number: Int, line: UInt = #line) throws {
        let wanted = Array("value-\(number)-".utf8)
        for name in fixture.segmentFiles().reversed() {
            let bytes = try XCTUnwrap(fixture.disk.contents(fixture.path(name)))
            guard let place = bytes.indices.first(where: { bytes[$0...].starts(with: wanted) }) else { continue }
            return fixture.disk.flipBit(fixture.path(name), byte: place + 30, bit: 2)
        }
        XCTFail("there is no value \(number)", line: line)
    }

    private func load(_ fixture: StoreFixture, _ key: String) throws -> LoadedValue {
        switch fixture.store.read(partitionZero, Key(key)) {
        case .absent: return .gone
        case .found(let record): return .record(record)
        case .onDisk(let ticket):
            let job = try XCTUnwrap(fixture.store.takeRead(ticket))
            return try fixture.store.completed(job.run()).value
        }
    }

    private func restore(_ fixture: StoreFixture, _ number: Int) -> Bool {
        guard let head = fixture.store.head(partitionZero, Key("key-\(number)")) else { return false }
        return fixture.store.restore(
            partitionZero, Key("key-\(number)"),
            Record(version: head.version, value: Array(value(number).utf8)))
    }

    private var seconds: UInt64 = 0

    private func scrub(_ fixture: StoreFixture, steps: Int = 200) throws {
        for _ in 0..<steps {
            seconds += 1
            guard let job = fixture.store.takeScrub(now: Instant(nanoseconds: seconds * 1_000_000_000)) else { return }
            if let error = fixture.store.completed(job.run()) { throw error }
        }
    }

    func testARecordThatIsSpoiledIsNamedAndNotServed() throws {
        for blockedReads in [0, 1000] {
            let fixture = try filled(blockedReads: blockedReads)
            let head = try XCTUnwrap(fixture.store.head(partitionZero, Key("key-3")))
            try spoil(fixture, 3)
            XCTAssertEqual(try load(fixture, "key-3"), .damaged)
            XCTAssertEqual(try load(fixture, "key-3"), .damaged, "again")
            XCTAssertNil(fixture.store.failure)
            let expected = DamagedRecord(partition: partitionZero, key: Key("key-3"), version: head.version)
            XCTAssertEqual(fixture.store.damagedRecords(), [expected])
            XCTAssertEqual(fixture.store.statistics.damagedRecords, 1)
            XCTAssertEqual(fixture.store.head(partitionZero, Key("key-3")), head, "its version stands")
            XCTAssertEqual(try fixture.text("key-4"), value(4))
        }
    }

    func testItIsWrittenAgainUnderItsVersion() throws {
        let fixture = try filled()
        try spoil(fixture, 3)
        XCTAssertEqual(try load(fixture, "key-3"), .damaged)
        let tree = fixture.store.tree(partitionZero).root
        let usage = fixture.store.usage(partitionZero)
        let other = Record(version: fixture.nextVersion(), value: [1])
        XCTAssertFalse(fixture.store.restore(partitionZero, Key("key-3"), other), "of another version")
        XCTAssertFalse(fixture.store.restore(partitionZero, Key("none"), other))
        XCTAssertTrue(restore(fixture, 3))
        XCTAssertEqual(fixture.store.damagedRecords(), [])
        XCTAssertEqual(fixture.store.statistics.repairedRecords, 1)
        XCTAssertEqual(fixture.store.tree(partitionZero).root, tree)
        XCTAssertEqual(fixture.store.usage(partitionZero), usage)
        try fixture.settle()
        XCTAssertEqual(try fixture.text("key-3"), value(3))
        try fixture.crash()
        for number in 0..<30 { XCTAssertEqual(try fixture.text("key-\(number)"), value(number)) }
    }

    /// What else lay there is moved, and the file goes.
    func testTheSegmentIsEmptiedAndRemoved() throws {
        let fixture = try filled()
        let name = try XCTUnwrap(
            fixture.segmentFiles().first { name in
                fixture.disk.contents(fixture.path(name))?.contains(Array("value-3-".utf8)) ?? false
            })
        try spoil(fixture, 3)
        XCTAssertEqual(try load(fixture, "key-3"), .damaged)
        try fixture.settle()
        XCTAssertTrue(fixture.segmentFiles().contains(name), "it still has the one that cannot be read")
        for number in 0..<30 where number != 3 { XCTAssertEqual(try fixture.text("key-\(number)"), value(number)) }
        XCTAssertTrue(restore(fixture, 3))
        try fixture.settle()
        XCTAssertFalse(fixture.segmentFiles().contains(name))
        try fixture.crash()
        for number in 0..<30 { XCTAssertEqual(try fixture.text("key-\(number)"), value(number)) }
    }

    func testWhatIsOverwrittenOrDeletedNeedsNoRepair() throws {
        let fixture = try filled()
        for number in [3, 4] {
            try spoil(fixture, number)
            XCTAssertEqual(try load(fixture, "key-\(number)"), .damaged)
        }
        XCTAssertEqual(fixture.store.damagedRecords().count, 2)
        fixture.put("key-3", "new")
        fixture.put("key-4", nil)
        XCTAssertEqual(fixture.store.damagedRecords(), [])
        try fixture.settle()
        try fixture.crash()
        XCTAssertEqual(try fixture.text("key-3"), "new")
        XCTAssertNil(try fixture.text("key-4"))
    }

    /// Merging meets it, and loses nothing else.
    func testMergingASegmentThatIsSpoiled() throws {
        let fixture = try filled()
        try spoil(fixture, 3)
        for number in 0..<30 where number % 4 != 3 { fixture.put("key-\(number)", "short") }
        try fixture.commit()
        fixture.store.roomMade()
        try fixture.settle()
        XCTAssertGreaterThan(fixture.store.statistics.mergedSegments, 0)
        XCTAssertNil(fixture.store.failure)
        XCTAssertEqual(fixture.store.damagedRecords().map(\.key), [Key("key-3")])
        for number in 0..<30 where number != 3 {
            XCTAssertEqual(try fixture.text("key-\(number)"), number % 4 == 3 ? value(number) : "short")
        }
        XCTAssertTrue(restore(fixture, 3))
        try fixture.settle()
        try fixture.crash()
        XCTAssertEqual(try fixture.text("key-3"), value(3))
    }

    /// So does writing its sidecar: without one the next start would read the segment, so it must be gone by then.
    func testASegmentThatIsSpoiledBeforeItHasItsSidecar() throws {
        let fixture = try filled(sidecars: false)
        try spoil(fixture, 3)
        try fixture.settle()
        XCTAssertEqual(fixture.store.damagedRecords().map(\.key), [Key("key-3")])
        XCTAssertTrue(restore(fixture, 3))
        try fixture.settle()
        try fixture.crash()
        for number in 0..<30 { XCTAssertEqual(try fixture.text("key-\(number)"), value(number)) }
    }

    func testTheNewestSegment() throws {
        let fixture = try StoreFixture(segment: 1 << 20, keepsManifest: true)
        fixture.options.cache = 0
        fixture.disk.blockedReads = 1000
        try fixture.open()
        for number in 0..<10 { fixture.put("key-\(number)", value(number)) }
        try fixture.commit()
        try spoil(fixture, 3)
        XCTAssertEqual(try load(fixture, "key-3"), .damaged)
        XCTAssertTrue(restore(fixture, 3))
        try fixture.settle()
        XCTAssertEqual(fixture.segmentNumbers(), [2], "it was ended, emptied and removed")
        try fixture.crash()
        for number in 0..<10 { XCTAssertEqual(try fixture.text("key-\(number)"), value(number)) }
    }

    func testTombstonesOfASegmentThatIsSpoiledAreKept() throws {
        let fixture = try filled(keys: 3)
        for number in 0..<8 { fixture.put("gone-\(number)", nil) }
        for number in 20..<30 { fixture.put("key-\(number)", value(number)) }
        try fixture.settle()
        try spoil(fixture, 20)
        XCTAssertEqual(try load(fixture, "key-20"), .damaged)
        XCTAssertTrue(restore(fixture, 20))
        let before = fixture.keys()
        let tree = fixture.store.tree(partitionZero).root
        try fixture.settle()
        try fixture.crash()
        XCTAssertEqual(fixture.keys(), before)
        XCTAssertEqual(fixture.store.tree(partitionZero).root, tree)
        XCTAssertEqual(fixture.store.usage(partitionZero).tombstones, 8)
    }

    func testScrubbingFindsWhatNobodyReads() throws {
        let fixture = try filled()
        fixture.options.scrub = 512
        try fixture.open()
        try scrub(fixture)
        try fixture.settle()
        XCTAssertGreaterThan(fixture.store.statistics.scrubbedBytes, 6000)
        XCTAssertEqual(fixture.store.damagedRecords(), [])
        for number in [3, 17] { try spoil(fixture, number) }
        try scrub(fixture)
        XCTAssertEqual(fixture.store.damagedRecords(), [], "it finds segments; their records are read one by one")
        try fixture.settle()
        XCTAssertEqual(fixture.store.damagedRecords().map(\.key).sorted(), [Key("key-17"), Key("key-3")])
        for number in [3, 17] { XCTAssertTrue(restore(fixture, number)) }
        try fixture.settle()
        for number in 0..<30 { XCTAssertEqual(try fixture.text("key-\(number)"), value(number)) }
    }

    func testScrubbingKeepsToItsRate() throws {
        let fixture = try filled()
        fixture.options.scrub = 1024
        try fixture.open()
        var steps = 0
        for tenth in 1...200 as ClosedRange<UInt64> {
            guard let job = fixture.store.takeScrub(now: Instant(nanoseconds: tenth * 100_000_000)) else { continue }
            XCTAssertNil(fixture.store.takeScrub(now: Instant(nanoseconds: .max / 2)), "one is under way")
            fixture.store.completed(job.run())
            steps += 1
        }
        // 20 s at half a second a step.
        XCTAssertEqual(steps, 40)
        fixture.options.scrub = 0
        try fixture.open()
        XCTAssertNil(fixture.store.takeScrub(now: Instant(nanoseconds: .max / 2)))
    }

    /// A disk that spoils this much is to be replaced.
    func testBeyondALimitTheStoreFails() throws {
        let fixture = try filled()
        fixture.options.maximumDamage = 3
        try fixture.open()
        for number in 0..<3 {
            try spoil(fixture, number)
            XCTAssertEqual(try load(fixture, "key-\(number)"), .damaged)
        }
        // Those that have been repaired do not count.
        XCTAssertTrue(restore(fixture, 0))
        try fixture.commit()
        try spoil(fixture, 5)
        XCTAssertEqual(try load(fixture, "key-5"), .damaged)
        try spoil(fixture, 6)
        XCTAssertThrowsError(try load(fixture, "key-6")) { error in
            guard case StoreError.damaged = error else { return XCTFail("\(error)") }
        }
        XCTAssertNotNil(fixture.store.failure)
        fixture.put("b", "1")
        XCTAssertNil(fixture.store.takeCommit(), "a failed store writes nothing more")
    }

    /// Every bit of a sealed segment, one at a time: no key is lost or changed, and all is well after repair and a
    /// start.
    func testAnyByteOfASealedSegment() throws {
        let length = try XCTUnwrap(filled(keys: 12).disk.contents(filled(keys: 12).path("0000000001.log"))).count
        for byte in stride(from: SegmentHeader.size, to: length, by: 7) {
            let fixture = try filled(keys: 12)
            fixture.options.scrub = 512
            try fixture.open()
            fixture.disk.flipBit(fixture.path("0000000001.log"), byte: byte, bit: byte % 8)
            try scrub(fixture)
            try fixture.settle()
            for damaged in fixture.store.damagedRecords() {
                let number = try XCTUnwrap(Int("\(damaged.key)".dropFirst(4)))
                XCTAssertTrue(restore(fixture, number), "byte \(byte)")
            }
            try fixture.settle()
            for number in 0..<12 { XCTAssertEqual(try fixture.text("key-\(number)"), value(number), "byte \(byte)") }
            try fixture.crash()
            for number in 0..<12 { XCTAssertEqual(try fixture.text("key-\(number)"), value(number), "byte \(byte)") }
        }
    }
}
