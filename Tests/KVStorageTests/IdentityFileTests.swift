import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

final class IdentityFileTests: XCTestCase {
    private let cluster = UUID128(high: 1, low: 2)
    private let store = UUID128(high: 3, low: 4)

    private func open(
        _ disk: SimulatedDisk, node: String = "n1", cluster: UUID128? = nil, store: UUID128? = nil, shards: Int = 2,
        nonce: UInt64 = 77
    ) throws -> IdentityFile {
        try IdentityFile(
            directory: "data", fileSystem: disk, node: node, cluster: cluster ?? self.cluster,
            newStore: store ?? self.store, newShards: shards, nonce: nonce)
    }

    private func message(_ body: () throws -> Void) -> String {
        do { try body() } catch { return "\(error)" }
        return ""
    }

    func testTheFirstOpenMakesItAndEveryOpenCounts() throws {
        let disk = SimulatedDisk(seed: 1)
        XCTAssertEqual(try open(disk).boot, 1)
        let second = try open(disk, store: UUID128(high: 9, low: 9), shards: 7)
        XCTAssertEqual(second.boot, 2)
        XCTAssertEqual(second.store, store, "the directory's own")
        XCTAssertEqual(second.shards, 2)
    }

    func testTheLatestStartsAreRemembered() throws {
        let disk = SimulatedDisk(seed: 1)
        for start in 1...UInt64(ProcessStart.maximumRemembered + 2) {
            let file = try open(disk, nonce: start * 1000)
            XCTAssertEqual(file.starts.last, ProcessStart(boot: start, nonce: start * 1000))
            XCTAssertEqual(file.starts.count, min(Int(start), ProcessStart.maximumRemembered))
            XCTAssertEqual(file.starts.map(\.boot), Array(file.starts[0].boot...start))
        }
    }

    func testEntriesAreKeptUntilTheyAreReplaced() throws {
        let disk = SimulatedDisk(seed: 1)
        var file: IdentityFile? = try open(disk)
        try file?.setEntry("topology", [1, 2, 3])
        try file?.setEntry("empty", [])
        try file?.setEntry("topology", [4])
        XCTAssertEqual(IdentityFile.readEntry("topology", directory: "data", fileSystem: disk), [4])
        file = nil
        disk.losePower()
        let again = try open(disk)
        XCTAssertEqual(again.entry("topology"), [4])
        XCTAssertEqual(again.entry("empty"), [])
        XCTAssertNil(again.entry("other"))
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
        XCTAssertTrue(message { _ = try open(disk, node: "n2") }.contains("the data of node n1, not of n2"))
        let other = UUID128(high: 0, low: 7)
        XCTAssertTrue(message { _ = try open(disk, cluster: other) }.contains("of the cluster \(cluster)"))
        XCTAssertEqual(try open(disk).boot, 2, "a refused start does not count")
    }

    func testADirectoryOfSomethingElseIsRefused() throws {
        let disk = SimulatedDisk(seed: 1)
        try disk.createDirectory("data")
        try disk.createDirectory("data/photos")
        XCTAssertTrue(message { _ = try open(disk) }.contains("it holds photos but no file identity"))
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
        try open(disk).setEntry("topology", [1, 2, 3])
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
                        boots = file.boot
                        tried = [round]
                        try file.setEntry("topology", [round])
                        kept = tried
                    }
                } catch { XCTAssertTrue(disk.isStopped, "\(error)") }
                disk.losePower()
                let found = try open(disk)
                XCTAssertGreaterThan(found.boot, boots, "seed \(seed), stop at \(stop)")
                let blob = found.entry("topology")
                XCTAssertTrue(blob == kept || blob == tried, "seed \(seed), stop at \(stop)")
            }
        }
    }
}
