import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

/// The files of a small data directory, byte for byte. Their formats are frozen: if a test here fails, the program is
/// wrong, not the test. Another layout needs another number of its format, and what is here must still be read.
final class GoldenDiskTests: XCTestCase {
    private static let partition = PartitionID(300)
    private static let other = PartitionID(1)
    private static let ballot = Ballot(round: 5, node: NodeNumber(3))

    private static func version(_ sequence: UInt64) -> Version { Version(ballot: ballot, sequence: sequence) }

    /// A store with records of every kind in its first segment, which is sealed and has a sidecar, and one more in the
    /// second.
    private func written() throws -> StoreFixture {
        let fixture = try StoreFixture(keepsManifest: true)
        try fixture.open()
        let store: LogStore = fixture.store
        store.setPromise(Self.partition, Self.ballot)
        store.put(
            Self.partition, Key("key"),
            Record(
                version: Self.version(1), expiry: Expiry(milliseconds: 0x0123_4567_89ab), value: [1, 2, 0, 255],
                contentType: "text/plain"))
        store.put(Self.partition, Key(""), Record(version: Self.version(2), value: []))
        try fixture.commit()
        store.put(Self.partition, Key("gone"), Record(version: Self.version(3), value: nil))
        store.put(Self.partition, Key("stays"), Record(version: Self.version(4), value: nil))
        store.setPurgeFloor(Self.partition, Self.version(3))
        store.wipe(Self.other, membership: 7)
        try fixture.commit()
        store.writer.endSegment()
        store.put(Self.other, Key("last"), Record(version: Self.version(5), value: Array("segment".utf8)))
        try fixture.commit()
        try fixture.settle()
        let identity = try XCTUnwrap(fixture.identity)
        try identity.setEntry("topology.log", Array("yes".utf8))
        try identity.note([store])
        let log = try ChangeLog(directory: "data", fileSystem: fixture.disk)
        try log.append([1, 2, 3])
        try log.append([4])
        return fixture
    }

    private func check(_ store: LogStore) throws {
        XCTAssertEqual(store.promise(Self.partition), Self.ballot)
        XCTAssertEqual(store.purgeFloor(Self.partition), Self.version(3))
        XCTAssertEqual(store.membership(Self.other), 7)
        XCTAssertEqual(store.promise(Self.other), .zero)
        var found: [Key: RecordHead] = [:]
        store.forEach(Self.partition) { found[$0] = $1 }
        XCTAssertEqual(
            found,
            [
                Key("key"): RecordHead(
                    version: Self.version(1), expiry: Expiry(milliseconds: 0x0123_4567_89ab), isTombstone: false),
                Key(""): RecordHead(version: Self.version(2), expiry: .never, isTombstone: false),
                Key("stays"): RecordHead(version: Self.version(4), expiry: .never, isTombstone: true),
            ])
    }

    /// Bytes as digits, 32 of them a line.
    private func hex(_ bytes: [UInt8]) -> String {
        stride(from: 0, to: bytes.count, by: 32).map { start in
            bytes[start..<min(start + 32, bytes.count)]
                .map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        }.joined(separator: "\n")
    }

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.utf8.filter { $0 != 10 }.map { UInt8(Character(Unicode.Scalar($0)).hexDigitValue ?? 0) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    func testTheFilesAreWrittenAsTheyAlwaysWere() throws {
        let fixture = try written()
        try check(fixture.store)
        for (path, golden) in Self.files {
            var contents = try XCTUnwrap(fixture.disk.contents(path), path)
            // The newest segment goes on with zeros that were written ahead.
            if path.hasSuffix("2.log") {
                let end = try XCTUnwrap(fixture.store.catalog.segments[2]).end
                XCTAssertTrue(contents[Int(end)...].allSatisfy { $0 == 0 })
                contents = Array(contents[..<Int(end)])
            }
            XCTAssertEqual(hex(contents), golden, path)
        }
        XCTAssertEqual(
            Set(fixture.disk.names("data") + fixture.disk.names(StoreFixture.directory)),
            ["identity", "lock", "shard-0", "topology.log", "0000000001.log", "0000000001.index", "0000000002.log"])
    }

    /// What was written by a version that wrote these bytes is read, with the sidecar and without it.
    func testTheFilesAreRead() throws {
        for leavesOut in [nil, "data/shard-0/0000000001.index"] {
            let fixture = try StoreFixture(keepsManifest: true)
            try fixture.disk.createDirectory(StoreFixture.directory)
            for (path, golden) in Self.files where path != leavesOut {
                try fixture.disk.open(path, .create).write(bytes(golden), at: 0)
            }
            try fixture.open()
            try check(fixture.store)
            XCTAssertEqual(
                try fixture.read(Key("key"), Self.partition),
                Record(
                    version: Self.version(1), expiry: Expiry(milliseconds: 0x0123_4567_89ab), value: [1, 2, 0, 255],
                    contentType: "text/plain"))
            XCTAssertEqual(try fixture.text("last", Self.other.raw), "segment")
            XCTAssertEqual(fixture.store.catalog.segments[1]?.hasSidecar, leavesOut == nil)
            let identity = try XCTUnwrap(fixture.identity)
            XCTAssertEqual(identity.store, StoreFixture.store)
            XCTAssertEqual(identity.boot, 2)
            XCTAssertEqual(identity.starts.count, 2)
            XCTAssertEqual(identity.entry("topology.log"), Array("yes".utf8))
            XCTAssertEqual(try identity.manifest(ofShard: 0)?.description, "3 1-2")
            XCTAssertEqual(try ChangeLog.records(in: "data", fileSystem: fixture.disk), [[1, 2, 3], [4]])
        }
    }

    private static let files: [(path: String, hex: String)] = [
        (
            "data/identity",
            """
            6b762d6964656e7401000000ac0000006f65614704000000626f6f7401000000
            310a0000006d616e69666573742e30050000003320312d320d0000006d616e69
            666573742e626f6f740100000031040000006e6f6465020000006e3106000000
            73686172647301000000310600000073746172747303000000313a3105000000
            73746f7265200000003031323334353637383961626364656666656463626139
            3837363534333231300c000000746f706f6c6f67792e6c6f6703000000796573
            """
        ),
        (
            "data/topology.log",
            """
            6b762d746f706f6c01000000f7e9e8a5030000001ef230f1010203010000004e
            c4e79504
            """
        ),
        (
            "data/shard-0/0000000001.log",
            """
            890a6b762d6c6f670200000001000000efcdab89674523011032547698badcfe
            000000000000000001000000000000000000000000000000710a31d7e196c3a5
            119e7cb4a900000001000000000000000000000000000000148a1567e196c3a5
            f9bda7fd48000000030000002c01000003000500000000000000000000000000
            0000000000000000000000000000000000000000000000000000000000000000
            0000000000000000086ce6e239000000010a03002c0100000300050000000000
            0100000000000000ab896745230100006b6579746578742f706c61696e010200
            ff061717ee28000000010000002c010000030005000000000002000000000000
            000000000000000000e196c3a5000000119e7cb4e90000000200000000000000
            01000000000000008c50be23e196c3a5e920ff492c000000020004002c010000
            030005000000000003000000000000000000000000000000676f6e65c6f7f9a2
            2d000000020005002c0100000300050000000000040000000000000000000000
            000000007374617973eab8263348000000030000002c01000003000500000000
            0000000000000000000000000000000000030005000000000003000000000000
            0000000000000000000000000000000000b6ef35d44800000003000000010000
            0000000000000000000000000000000000000000000000000000000000000000
            00000000000000000001000000d10100000700000000000000e196c3a5000000
            """
        ),
        (
            "data/shard-0/0000000001.index",
            """
            890a6b762d6964780300000001000000efcdab89674523011032547698badcfe
            00000000000000000000000000000000000000000000000016c9bbe8e196c3a5
            a0010000420f3966030020002c01000048000000600000000300050000000000
            0000000000000000000000000000000000000000000000000000000000000000
            0000000000000000000000000000000000000000010003002c01000039000000
            a800000003000500000000000100000000000000ab89674523010000f2594a48
            6b6579010000002c01000028000000e100000003000500000000000200000000
            000000000000000000000000000000020004002c0100002c0000003001000003
            000500000000000300000000000000000000000000000000000000676f6e6502
            0005002c0100002d0000005c0100000300050000000000040000000000000000
            00000000000000000000007374617973030020002c0100004800000089010000
            0300050000000000000000000000000000000000000000000000000003000500
            0000000003000000000000000000000000000000000000000000000003002000
            0100000048000000d10100000000000000000000000000000000000000000000
            00000000000000000000000000000000000000000000000001000000d1010000
            07000000000000000000000012367b8820020000000000000200000000000000
            0700000000000000
            """
        ),
        (
            "data/shard-0/0000000002.log",
            """
            890a6b762d6c6f670200000002000000efcdab89674523011032547698badcfe
            0000000000000000030000000000000020020000000000003437304be196c3a5
            119e7cb4c3000000030000000000000002000000000000008bc16c88e196c3a5
            b6ef35d448000000030000000100000000000000000000000000000000000000
            00000000000000000000000000000000000000000000000001000000d1010000
            0700000000000000eab8263348000000030000002c0100000300050000000000
            0000000000000000000000000000000003000500000000000300000000000000
            0000000000000000000000000000000077ae7d60330000000100040001000000
            0300050000000000050000000000000000000000000000006c6173747365676d
            656e74e196c3a500
            """
        ),
    ]
}
