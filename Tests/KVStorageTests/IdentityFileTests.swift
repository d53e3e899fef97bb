import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

final class IdentityFileTests: XCTestCase {
    private let fresh = IdentityDocument(
        cluster: UUID128(high: 1, low: 2), node: "n1", store: UUID128(high: 3, low: 4), shards: 2)

    private func open(_ disk: SimulatedDisk, _ fresh: IdentityDocument? = nil) throws -> IdentityFile {
        try IdentityFile.open("data", fresh: fresh ?? self.fresh, fileSystem: disk)
    }

    private func message(_ body: () throws -> Void) -> String {
        do { try body() } catch { return "\(error)" }
        return ""
    }

    func testTheFirstOpenMakesItAndEveryOpenCounts() throws {
        let disk = SimulatedDisk(seed: 1)
        XCTAssertTrue(try open(disk).isNew)
        var other = fresh
        other.store = UUID128(high: 9, low: 9)
        other.shards = 7
        let second = try open(disk, other)
        XCTAssertFalse(second.isNew)
        XCTAssertEqual(second.document.boot, 2)
        XCTAssertEqual(second.document.store, fresh.store, "the directory's own")
        XCTAssertEqual(second.document.shards, 2)
    }

    func testBlobsAreKeptUntilTheyAreReplacedOrRemoved() throws {
        let disk = SimulatedDisk(seed: 1)
        var file: IdentityFile? = try open(disk)
        try file?.keep([1, 2, 3], as: "topology")
        try file?.keep([], as: "empty")
        try file?.keep([4], as: "topology")
        try file?.keep([5], as: "gone")
        try file?.keep(nil, as: "gone")
        file = nil
        disk.losePower()
        XCTAssertEqual(try open(disk).document.blobs, ["topology": [4], "empty": []])
    }

    func testASecondProcessIsRefused() throws {
        let disk = SimulatedDisk(seed: 1)
        let first = try open(disk)
        XCTAssertEqual(message { _ = try open(disk) }.prefix(36), "data is in use by another process. S")
        withExtendedLifetime(first) {}
    }

    func testAnotherNodesOrClustersDirectoryIsRefused() throws {
        let disk = SimulatedDisk(seed: 1)
        _ = try open(disk)
        var other = fresh
        other.node = "n2"
        XCTAssertTrue(message { _ = try open(disk, other) }.contains("belongs to node n1, not to n2"))
        other = fresh
        other.cluster = UUID128(high: 0, low: 7)
        XCTAssertTrue(message { _ = try open(disk, other) }.contains("belongs to cluster 00000000000000010000"))
    }

    func testADirectoryOfSomethingElseIsRefused() throws {
        let disk = SimulatedDisk(seed: 1)
        try disk.createDirectory("data")
        try disk.createDirectory("data/photos")
        XCTAssertTrue(message { _ = try open(disk) }.contains("it holds photos but no file named identity"))
    }

    func testANewerFormatIsNamed() throws {
        let disk = SimulatedDisk(seed: 1)
        _ = try open(disk)
        var bytes = try XCTUnwrap(disk.contents("data/identity"))
        bytes[8] = 9
        disk.restore("data/identity", bytes)
        XCTAssertTrue(
            message { _ = try open(disk) }.contains("format 9, written by a newer kv; this one knows formats up to 1"))
    }

    func testEveryFlippedBitAndEveryCutIsNoticed() throws {
        let disk = SimulatedDisk(seed: 1)
        try open(disk).keep([1, 2, 3], as: "topology")
        let good = try XCTUnwrap(disk.contents("data/identity"))
        for bit in 0..<good.count * 8 {
            disk.restore("data/identity", good)
            disk.flipBit("data/identity", byte: bit / 8, bit: bit % 8)
            XCTAssertThrowsError(try open(disk), "bit \(bit)")
        }
        for count in 0..<good.count {
            disk.restore("data/identity", Array(good[..<count]))
            XCTAssertThrowsError(try open(disk), "cut to \(count)")
        }
        disk.restore("data/identity", good)
        XCTAssertNoThrow(try open(disk))
    }

    func testACrashAtAnyPointLeavesTheOldOrTheNew() throws {
        for seed in 1...8 as ClosedRange<UInt64> {
            for stop in 1...24 {
                let disk = SimulatedDisk(seed: seed)
                disk.stopAt = stop
                var boots: UInt64 = 0
                var kept: [UInt8]?
                var tried: [UInt8]?
                do {
                    for round in 0..<3 as Range<UInt8> {
                        let file = try open(disk)
                        boots = file.document.boot
                        tried = [round]
                        try file.keep(tried, as: "topology")
                        kept = tried
                    }
                } catch { XCTAssertTrue(disk.isStopped, "\(error)") }
                disk.losePower()
                let found = try open(disk)
                XCTAssertGreaterThan(found.document.boot, boots, "seed \(seed), stop at \(stop)")
                let blob = found.document.blobs["topology"]
                XCTAssertTrue(blob == kept || blob == tried, "seed \(seed), stop at \(stop)")
            }
        }
    }
}
