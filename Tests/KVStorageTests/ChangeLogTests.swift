import KVSimulator
import XCTest

@testable import KVStorage

final class ChangeLogTests: XCTestCase {
    private func open(_ disk: SimulatedDisk) throws -> ChangeLog {
        try disk.createDirectory("data")
        return try ChangeLog(directory: "data", fileSystem: disk)
    }

    private func records(_ disk: SimulatedDisk) throws -> [[UInt8]]? {
        try ChangeLog.records(in: "data", fileSystem: disk)
    }

    private func record(_ number: Int) -> [UInt8] { .init(repeating: UInt8(number), count: 1 + number * 37 % 700) }

    func testWhatWasAppendedIsThereAfterALossOfPower() throws {
        let disk = SimulatedDisk(seed: 1)
        var log: ChangeLog? = try open(disk)
        XCTAssertNil(try records(disk))
        try log?.create()
        XCTAssertEqual(try records(disk), [])
        for number in 1...3 { try log?.append(record(number)) }
        XCTAssertEqual(log?.byteCount, (1...3).reduce(0) { $0 + 8 + record($1).count })
        log = nil
        disk.losePower()
        XCTAssertEqual(try records(disk), [1, 2, 3].map(record))
        let again = try open(disk)
        try again.append(record(4))
        XCTAssertEqual(try records(disk), [1, 2, 3, 4].map(record))
        try again.clear()
        XCTAssertEqual(again.byteCount, 0)
        try again.append(record(5))
        disk.losePower()
        XCTAssertEqual(try records(disk), [record(5)])
    }

    /// Whatever was appended is found again, and at most one record more; the log can be used as before.
    func testACrashAtAnyPointTearsTheLastRecordAlone() throws {
        for seed in 1...8 as ClosedRange<UInt64> {
            for stop in 1...24 {
                let disk = SimulatedDisk(seed: seed)
                try disk.createDirectory("data")
                try disk.syncDirectory(".")
                disk.stopAt = disk.operations + stop
                var appended = 0
                do {
                    let log = try ChangeLog(directory: "data", fileSystem: disk)
                    for number in 1...6 {
                        try log.append(record(number))
                        appended = number
                    }
                } catch { XCTAssertTrue(disk.isStopped, "\(error)") }
                disk.losePower()
                let name = "seed \(seed), stop at \(stop)"
                let found = try records(disk) ?? []
                XCTAssertTrue(found.count == appended || found.count == appended + 1, name)
                XCTAssertEqual(found, (1...6).prefix(found.count).map(record), name)
                let log = try open(disk)
                try log.append(record(9))
                disk.losePower()
                XCTAssertEqual(try records(disk), found + [record(9)], name)
            }
        }
    }

    /// The whole is written to the identity file, and then the log is cleared: nothing is lost in between.
    func testACrashWhileTheLogIsClearedLosesNothing() throws {
        for seed in 1...8 as ClosedRange<UInt64> {
            for stop in 1...30 {
                let disk = SimulatedDisk(seed: seed)
                let file = try IdentityFile(
                    directory: "data", fileSystem: disk, node: "n1", cluster: nil, newStore: .init(high: 1, low: 1),
                    newShards: 1, nonce: 7)
                try file.setEntry("topology", [0])
                let log = try ChangeLog(directory: "data", fileSystem: disk)
                disk.stopAt = disk.operations + stop
                var written: UInt8 = 0
                do {
                    for epoch in 1...9 as ClosedRange<UInt8> {
                        if epoch % 3 == 0 {
                            try file.setEntry("topology", [epoch])
                            try log.clear()
                        } else {
                            try log.append([epoch])
                        }
                        written = epoch
                    }
                } catch { XCTAssertTrue(disk.isStopped, "\(error)") }
                disk.losePower()
                var found = try XCTUnwrap(
                    IdentityFile.readEntry("topology", directory: "data", fileSystem: disk)?.first)
                for record in try records(disk) ?? [] where record[0] > found {
                    XCTAssertEqual(record[0], found + 1, "seed \(seed), stop at \(stop): a gap")
                    found = record[0]
                }
                XCTAssertTrue(found == written || found == written + 1, "seed \(seed), stop at \(stop)")
            }
        }
    }

    func testDamageInFrontOfAGoodRecordIsNoticed() throws {
        let disk = SimulatedDisk(seed: 1)
        let log = try open(disk)
        for number in 1...3 { try log.append(record(number)) }
        let good = try XCTUnwrap(disk.contents("data/topology.log"))
        let last = good.count - 8 - record(3).count
        for bit in 0..<good.count * 8 {
            disk.restore("data/topology.log", good)
            disk.flipBit("data/topology.log", byte: bit / 8, bit: bit % 8)
            if bit / 8 < last {
                XCTAssertThrowsError(try records(disk), "bit \(bit)")
            } else {
                // It looks like one that was torn.
                XCTAssertEqual(try records(disk), [1, 2].map(record), "bit \(bit)")
            }
        }
        for count in 16..<good.count {
            disk.restore("data/topology.log", Array(good[..<count]))
            XCTAssertEqual(try records(disk)?.count, count < 62 ? 0 : count < last ? 1 : 2, "cut to \(count)")
        }
        for count in 0..<16 {
            disk.restore("data/topology.log", Array(good[..<count]))
            XCTAssertThrowsError(try records(disk), "cut to \(count)")
        }
        disk.restore("data/topology.log", good + .init(repeating: 0, count: 4096))
        XCTAssertEqual(try records(disk)?.count, 3, "a file may have been made longer before it was written to")
    }

    func testANewerFormatIsNamed() throws {
        let disk = SimulatedDisk(seed: 1)
        try open(disk).create()
        var bytes = try XCTUnwrap(disk.contents("data/topology.log"))
        bytes[8] = 9
        disk.restore("data/topology.log", bytes)
        XCTAssertThrowsError(try records(disk)) { error in
            XCTAssertTrue("\(error)".contains("format 9, written by a newer kv"), "\(error)")
        }
    }
}
