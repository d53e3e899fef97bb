import Foundation
import KVCore
import XCTest

@testable import KVStorage

/// The same store on real files.
final class SystemFileSystemTests: XCTestCase {
    private var directory = ""

    override func setUpWithError() throws {
        directory = NSTemporaryDirectory() + "kv-store-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: directory) }

    private func options() -> StoreOptions {
        var options = StoreOptions(directory: directory + "/shard-0", store: StoreFixture.store)
        options.segment = 64 << 10
        options.cache = 0
        options.reserve = 0
        return options
    }

    private func put(_ store: LogStore, _ number: Int, round: UInt64) {
        let version = Version(ballot: ballot(round), sequence: UInt64(number) + 1)
        store.put(
            PartitionID(UInt16(number % 16)), Key("key-\(number)"),
            Record(version: version, value: Array("value \(number) of \(round)".utf8)))
    }

    func testADirectoryThatWasMovedOrReplacedIsNoticed() throws {
        let path = directory + "/node"
        func open() throws -> IdentityFile {
            try IdentityFile(
                directory: path, node: "n1", cluster: nil, newStore: StoreFixture.store, newShards: 1, nonce: 1)
        }
        var file: IdentityFile? = try open()
        XCTAssertEqual(file?.isInPlace, true)
        try file?.setEntry("other", [1])
        XCTAssertEqual(file?.isInPlace, true, "it is replaced as a whole by every change")
        let files = FileManager.default
        try files.moveItem(atPath: path, toPath: path + ".moved")
        XCTAssertEqual(file?.isInPlace, false)
        try files.copyItem(atPath: path + ".moved", toPath: path)
        XCTAssertEqual(file?.isInPlace, false, "a copy")
        try files.removeItem(atPath: path)
        try files.moveItem(atPath: path + ".moved", toPath: path)
        XCTAssertEqual(file?.isInPlace, true)
        try files.removeItem(atPath: path + "/identity")
        XCTAssertEqual(file?.isInPlace, false)
        file = nil
    }

    func testAStoreOnRealFilesSurvivesStartsAndMerging() throws {
        var store = try LogStore.open(options())
        for round in 1...4 as ClosedRange<UInt64> {
            for number in 0..<1000 {
                put(store, number, round: round)
                if number % 16 == 15 { try store.commitAll() }
            }
            store.setPromise(PartitionID(1), ballot(round))
            try store.settle()
            let merged = store.statistics.mergedSegments
            XCTAssertTrue(round == 1 || merged > 0, "round \(round)")
            store = try LogStore.open(options())
            XCTAssertEqual(store.promise(PartitionID(1)), ballot(round))
            for number in 0..<1000 {
                let partition = PartitionID(UInt16(number % 16))
                let expected = Array("value \(number) of \(round)".utf8)
                switch store.read(partition, Key("key-\(number)")) {
                case .found(let record): XCTAssertEqual(record.value, expected)
                case .absent: XCTFail("key-\(number) is gone")
                case .onDisk(let ticket):
                    let job = try XCTUnwrap(store.takeRead(ticket))
                    guard case .record(let record) = try store.completed(job.run()).value else {
                        XCTFail("key-\(number) cannot be read")
                        continue
                    }
                    XCTAssertEqual(record.value, expected)
                }
            }
        }
    }

    private func open(_ data: String) throws -> IdentityFile {
        try IdentityFile(
            directory: data, node: "n1", cluster: UUID128(high: 0, low: 1), newStore: StoreFixture.store, newShards: 1,
            nonce: 5)
    }

    func testADirectoryIsLockedWhileItIsInUse() throws {
        let data = directory + "/n1"
        var first: IdentityFile? = try open(data)
        XCTAssertThrowsError(try open(data)) { error in
            XCTAssertEqual(error as? StoreError, .locked(directory: data))
        }
        withExtendedLifetime(first) {}
        first = nil
        XCTAssertEqual(try open(data).boot, 2)
    }

    func testADirectoryThatCannotBeMadeIsNamed() throws {
        try Data().write(to: URL(fileURLWithPath: directory + "/file"))
        for path in ["/missing/n1", "/file/n1"] {
            XCTAssertThrowsError(try open(directory + path)) { error in
                XCTAssertTrue("\(error)".hasPrefix("cannot use the data directory \(directory + path): "), "\(error)")
            }
        }
    }

    func testCallsOfTheSystem() throws {
        let system = SystemFileSystem()
        let path = directory + "/file"
        let file = try system.open(path, .create)
        XCTAssertThrowsError(try system.open(path, .create))
        file.preallocate(to: 8192, written: false)
        XCTAssertEqual(try file.size(), 8192)
        try file.write(Array("hello".utf8), at: 4096)
        file.preallocate(to: 600_000, written: true)
        XCTAssertEqual(try file.size(), 600_000)
        let ahead = UnsafeMutableRawBufferPointer.allocate(byteCount: 600_000 - 8192, alignment: 1)
        defer { ahead.deallocate() }
        XCTAssertEqual(try file.read(into: ahead, at: 8192), ahead.count)
        XCTAssertTrue(ahead.allSatisfy { $0 == 0 })
        try file.truncate(to: 8192)
        try file.sync()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 5, alignment: 1)
        defer { buffer.deallocate() }
        XCTAssertEqual(try file.read(into: buffer, at: 4096), 5)
        XCTAssertEqual(Array(buffer), Array("hello".utf8))
        XCTAssertEqual(try file.read(into: buffer, at: 8190), 2)
        XCTAssertFalse(file.readNoWait(into: buffer, at: 8190), "short")
        try file.truncate(to: 4098)
        XCTAssertEqual(try file.size(), 4098)
        try system.rename(path, to: directory + "/other")
        XCTAssertEqual(try system.list(directory), ["other"])
        try system.syncDirectory(directory)
        try system.unlink(directory + "/other")
        XCTAssertThrowsError(try system.open(path, .read))
        XCTAssertGreaterThan(try system.space(directory).total, 0)
    }
}
