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
        try assertGolden(Self.files, fixture)
        XCTAssertEqual(
            Set(fixture.disk.names("data") + fixture.disk.names(StoreFixture.directory)),
            ["identity", "lock", "shard-0", "topology.log", "0000000001.log", "0000000001.index", "0000000002.log"])
    }

    private func assertGolden(_ files: [(path: String, hex: String)], _ fixture: StoreFixture) throws {
        for (path, golden) in files {
            var contents = try XCTUnwrap(fixture.disk.contents(path), path)
            // The newest segment goes on with zeros that were written ahead.
            if path.hasSuffix("2.log") {
                let end = try XCTUnwrap(fixture.store.catalog.segments[2]).end
                XCTAssertTrue(contents[Int(end)...].allSatisfy { $0 == 0 })
                contents = Array(contents[..<Int(end)])
            }
            XCTAssertEqual(hex(contents), golden, path)
        }
    }

    /// A disk with these files.
    private func fixture(of files: [(path: String, hex: String)], without path: String?) throws -> StoreFixture {
        let fixture = try StoreFixture(keepsManifest: true)
        try fixture.disk.createDirectory(StoreFixture.directory)
        for file in files where file.path != path {
            try fixture.disk.open(file.path, .create).write(bytes(file.hex), at: 0)
        }
        return fixture
    }

    /// What was written by a version that wrote these bytes is read, with the sidecar and without it.
    func testTheFilesAreRead() throws {
        for leavesOut in [nil, "data/shard-0/0000000001.index"] {
            let fixture = try fixture(of: Self.files, without: leavesOut)
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

    // MARK: After a split

    private static let parent = PartitionID(0)
    private static let child = PartitionID(2)

    /// A store whose only partition was split in two: the first segment is from before, and the second begins with the
    /// split. Then the partition that was split begins anew, and the one that was split off does not.
    private func writtenAfterASplit() throws -> StoreFixture {
        let fixture = try StoreFixture(keepsManifest: true)
        fixture.slots = SlotMap(founding: 1)
        try fixture.open()
        let store: LogStore = fixture.store
        store.wipe(Self.parent, membership: 3)
        store.setPromise(Self.parent, Self.ballot)
        for (index, (key, text)) in [("last", "is wiped"), ("first", "from before"), ("gone", nil)].enumerated() {
            let record = Record(version: Self.version(UInt64(index + 1)), value: text.map { Array($0.utf8) })
            store.put(Self.parent, Key(key), record)
        }
        store.setPurgeFloor(Self.parent, Self.version(0))
        try fixture.commit()
        store.split()
        try fixture.commit()
        store.wipe(Self.parent, membership: 9)
        store.put(Self.child, Key("after"), Record(version: Self.version(4), value: Array("from after".utf8)))
        store.put(Self.parent, Key("old"), Record(version: Self.version(5), value: Array("begun anew".utf8)))
        try fixture.commit()
        try fixture.settle()
        try XCTUnwrap(fixture.identity).note([store])
        return fixture
    }

    private func checkSplit(_ fixture: StoreFixture) throws {
        let store: LogStore = fixture.store
        XCTAssertEqual(store.slots, SlotMap(founding: 1, count: 2))
        XCTAssertEqual(store.membership(Self.parent), 9)
        XCTAssertEqual(store.membership(Self.child), 3)
        for partition in [Self.parent, Self.child] { XCTAssertEqual(store.promise(partition), Self.ballot) }
        XCTAssertEqual(store.purgeFloor(Self.parent), .zero)
        XCTAssertEqual(store.purgeFloor(Self.child), Self.version(0))
        XCTAssertEqual(fixture.keys(Self.parent.raw), ["old": Self.version(5)])
        XCTAssertEqual(
            fixture.keys(Self.child.raw),
            ["first": Self.version(2), "gone": Self.version(3), "after": Self.version(4)])
        XCTAssertEqual(try fixture.text("old", Self.parent.raw), "begun anew")
        XCTAssertEqual(try fixture.text("first", Self.child.raw), "from before")
        XCTAssertEqual(try fixture.text("after", Self.child.raw), "from after")
        XCTAssertEqual(store.head(Self.child, Key("gone"))?.isTombstone, true)
    }

    func testFilesFromAfterASplitAreWrittenAsTheyAlwaysWere() throws {
        let fixture = try writtenAfterASplit()
        try checkSplit(fixture)
        try assertGolden(Self.splitFiles, fixture)
    }

    func testFilesFromAfterASplitAreRead() throws {
        for leavesOut in [nil, "data/shard-0/0000000001.index"] {
            let fixture = try fixture(of: Self.splitFiles, without: leavesOut)
            fixture.slots = SlotMap(founding: 1, count: 2)
            try fixture.open()
            try checkSplit(fixture)
            XCTAssertEqual(fixture.store.catalog.segments[1]?.hasSidecar, leavesOut == nil)
        }
        // A version that knows format 2 alone refuses the second segment by its number.
        let formats = try Self.splitFiles.filter { $0.path.hasSuffix(".log") }.map { file in
            try bytes(file.hex).withUnsafeBytes { try XCTUnwrap(SegmentHeader($0)).format }
        }
        XCTAssertEqual(formats, [SegmentHeader.firstFormat, SegmentHeader.splitFormat])
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

    private static let splitFiles: [(path: String, hex: String)] = [
        (
            "data/identity",
            """
            6b762d6964656e74010000009500000019af4ddb04000000626f6f7401000000
            310a0000006d616e69666573742e30050000003320312d320d0000006d616e69
            666573742e626f6f740100000031040000006e6f6465020000006e3106000000
            73686172647301000000310600000073746172747303000000313a3105000000
            73746f7265200000003031323334353637383961626364656666656463626139
            383736353433323130
            """
        ),
        (
            "data/shard-0/0000000001.log",
            """
            890a6b762d6c6f670200000001000000efcdab89674523011032547698badcfe
            000000000000000001000000000000000000000000000000710a31d7e196c3a5
            119e7cb4700100000100000000000000000000000000000062723d1fe196c3a5
            dc42a7c448000000030000000000000000000000000000000000000000000000
            0000000000000000000000000000000000000000000000000100000060000000
            0300000000000000283ecf424800000003000000000000000300050000000000
            0000000000000000000000000000000000000000000000000000000000000000
            010000006000000003000000000000004190636c340000000100040000000000
            0300050000000000010000000000000000000000000000006c61737469732077
            69706564d508631a380000000100050000000000030005000000000002000000
            000000000000000000000000666972737466726f6d206265666f726556aa4682
            2c00000002000400000000000300050000000000030000000000000000000000
            00000000676f6e65580a72474800000003000000000000000300050000000000
            0000000000000000000000000000000003000500000000000000000000000000
            01000000600000000300000000000000e196c3a500000000
            """
        ),
        (
            "data/shard-0/0000000001.index",
            """
            890a6b762d6964780300000001000000efcdab89674523011032547698badcfe
            00000000000000000000000000000000000000000000000016c9bbe8e196c3a5
            7501000026e94904030020000000000048000000600000000000000000000000
            0000000000000000000000000000000000000000000000000000000000000000
            0000000001000000600000000300000000000000030020000000000048000000
            a800000003000500000000000000000000000000000000000000000000000000
            0000000000000000000000000000000001000000600000000300000000000000
            010004000000000034000000f000000003000500000000000100000000000000
            0000000000000000a3942d076c61737401000500000000003800000024010000
            03000500000000000200000000000000000000000000000006d008dc66697273
            7402000400000000002c0000005c010000030005000000000003000000000000
            00000000000000000000000000676f6e65030020000000000048000000880100
            0003000500000000000000000000000000000000000000000000000000030005
            0000000000000000000000000001000000600000000300000000000000000000
            007e3d5260d80100000000000001000000000000000600000000000000
            """
        ),
        (
            "data/shard-0/0000000002.log",
            """
            890a6b762d6c6f670300000002000000efcdab89674523011032547698badcfe
            00000000000000000200000000000000d80100000000000037675cf8e196c3a5
            119e7cb4d8000000020000000000000001000000000000000178183de196c3a5
            5030207f48000000030000000000000003000500000000000200000000000000
            0000000000000000030005000000000000000000000000000100000060000000
            0300000000000000e67857944800000003000000020000000300050000000000
            0200000000000000000000000000000003000500000000000000000000000000
            01000000600000000300000000000000e6785794480000000300000002000000
            0300050000000000020000000000000000000000000000000300050000000000
            000000000000000001000000600000000300000000000000e196c3a500000000
            119e7cb4b4000000030000000000000002000000000000008db3df17e196c3a5
            866d572e48000000030000000000000003000500000000000200000000000000
            0000000000000000000000000000000000000000000000000200000060010000
            0900000000000000600bfbe43700000001000500020000000300050000000000
            04000000000000000000000000000000616674657266726f6d2061667465729d
            99c99a3500000001000300000000000300050000000000050000000000000000
            000000000000006f6c64626567756e20616e6577e196c3a5
            """
        ),
    ]
}
