import Glibc
import XCTest

@testable import KVNode

final class LogWriterThreadTests: XCTestCase {
    func testWhoeverLogsNeverWaitsForWhoeverReadsAndWhatIsLostIsCounted() throws {
        var ends: [CInt] = [0, 0]
        XCTAssertEqual(pipe(&ends), 0)
        let writer = LogWriterThread(descriptor: ends[1])
        let line = String(repeating: "x", count: 1023) + "\n"
        let start = ContinuousClock.now
        for _ in 0..<4096 { writer.write(line) }
        XCTAssertLessThan(ContinuousClock.now - start, .seconds(5))
        let patience = ContinuousClock.now
        writer.flush()
        XCTAssertLessThan(ContinuousClock.now - patience, .seconds(5), "nor does its end")

        // Once it is read, what was kept comes whole and in order, with a word about the rest.
        var read = 0
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while !text.contains("dropped") {
            let count = Glibc.read(ends[0], &buffer, buffer.count)
            guard count > 0 else { return XCTFail("no word of the dropped lines") }
            read += count
            text = String((text + String(decoding: buffer[..<count], as: UTF8.self)).suffix(200))
        }
        let dropped = try XCTUnwrap(text.firstMatch(of: /\.\.\. ([0-9]+) lines of the log were dropped here/)?.output.1)
        let kept = 4096 - (Int(dropped) ?? 0)
        XCTAssertGreaterThanOrEqual(kept * 1024, LogWriterThread.limit)
        XCTAssertGreaterThanOrEqual(read, kept * 1024)
        XCTAssertLessThan(kept, 4096)
        writer.write("after\n")
        writer.flush()
        let count = Glibc.read(ends[0], &buffer, buffer.count)
        XCTAssertTrue(String(decoding: buffer[..<max(count, 0)], as: UTF8.self).hasSuffix("after\n"))
        close(ends[0])
        close(ends[1])
    }

    func testALineThatCannotBeWrittenIsLost() {
        let writer = LogWriterThread(descriptor: -1)
        writer.write("lost\n")
        writer.flush()
    }

    func testClientsGetWhatIsLeftOfTheDescriptors() throws {
        func connections(of total: Int, shards: Int = 1, members: Int = 3) -> Int {
            DescriptorLimit(total: total).connections(configured: 10_000, shards: shards, members: members)
        }
        XCTAssertEqual(connections(of: 1 << 20), 10_000)
        XCTAssertEqual(connections(of: 1024), 1024 - 128)
        XCTAssertEqual(connections(of: 1024, shards: 32), 1024 - 64 - 32 * (8 + 14), "eight members are expected")
        XCTAssertEqual(connections(of: 4096, shards: 32, members: 25), 4096 - 64 - 32 * (8 + 48))
        XCTAssertEqual(connections(of: 1024, shards: 64), 16, "it starts, and some clients are served")
        XCTAssertEqual(connections(of: 128 + 16), 16)
        XCTAssertNoThrow(try DescriptorLimit(total: 128 + 16).check())
        XCTAssertThrowsError(try DescriptorLimit(total: 128 + 15).check()) {
            XCTAssertTrue("\($0)".contains("ulimit -n"), "\($0)")
        }
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        XCTAssertEqual(DescriptorLimit.raised().total, Int(clamping: limit.rlim_max))
    }
}
