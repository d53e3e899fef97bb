import Foundation
import Histogram
import KVCore
import XCTest

@testable import KVBench

final class ReportTests: XCTestCase {
    private func result() throws -> BenchResult {
        var options = BenchOptions(endpoints: [], timeout: .milliseconds(5000))
        options.mix = try XCTUnwrap(WorkloadMix(ycsb: "a"))
        options.transport = .resp
        options.rate = 500
        var recorder = Recorder()
        for index in 1...1000 { recorder.done(.read, nanoseconds: UInt64(index) * 1_000_000, isMissing: index <= 3) }
        for _ in 1...500 { recorder.done(.update, nanoseconds: 2_000_000) }
        for wait in 1...4 { recorder.neverBegun(.update, waited: UInt64(wait) * 1_000_000_000, count: 1) }
        recorder.failed(.unknown, "first")
        recorder.failed(.unknown, "second")
        recorder.failed(.refused, "no")
        var result = BenchResult(options)
        result.load = BenchResult.Load(keys: 100_000, seconds: 2)
        result.figures = Figures(recorder: recorder, throughput: 150, seconds: 10)
        return result
    }

    func testJSONSaysWhatHappened() throws {
        let text = try JSONEncoder().encode(BenchReport(result()))
        let object = try XCTUnwrap(JSONSerialization.jsonObject(with: text) as? [String: Any])
        XCTAssertEqual(object["protocol"] as? String, "resp")
        XCTAssertEqual(object["workload"] as? String, "a")
        XCTAssertEqual(object["distribution"] as? String, "zipfian")
        XCTAssertEqual(object["operations"] as? Int, 1500)
        XCTAssertEqual(object["throughput"] as? Double, 150)
        XCTAssertEqual(object["missing"] as? Int, 3)
        XCTAssertEqual(object["behind"] as? Int, 4)
        XCTAssertEqual(object["load_seconds"] as? Double, 2)
        let errors = try XCTUnwrap(object["errors"] as? [String: Any])
        XCTAssertEqual(errors["unknown"] as? Int, 2)
        XCTAssertEqual(errors["refused"] as? Int, 1)
        XCTAssertEqual(errors["other"] as? Int, 0)
        XCTAssertEqual(errors["examples"] as? [String: String], ["unknown": "first", "refused": "no"])
        let latencies = try XCTUnwrap(object["latency_ms"] as? [String: [String: Double]])
        XCTAssertEqual(Set(latencies.keys), ["read", "update", "all"])
        let read = try XCTUnwrap(latencies["read"])
        XCTAssertEqual(
            Set(read.keys),
            ["count", "throughput", "mean", "min", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "max"])
        XCTAssertEqual(read["p50"] ?? 0, 500, accuracy: 1)
        XCTAssertEqual(read["p99"] ?? 0, 990, accuracy: 1)
        XCTAssertEqual(read["p99.9"] ?? 0, 999, accuracy: 1)
        XCTAssertEqual(read["max"] ?? 0, 1000, accuracy: 1)
        XCTAssertEqual(read["throughput"], 100)
        // 500 were done in 2 ms each; four were never begun, and had waited 1 to 4 s.
        XCTAssertEqual(latencies["update"]?["count"], 500)
        XCTAssertEqual(latencies["update"]?["throughput"], 50)
        XCTAssertEqual(latencies["update"]?["p99"] ?? 0, 2, accuracy: 0.01)
        XCTAssertEqual(latencies["update"]?["p99.9"] ?? 0, 4000, accuracy: 4)
        XCTAssertEqual(latencies["update"]?["mean"] ?? 0, 11000.0 / 504, accuracy: 0.1)
        XCTAssertEqual(latencies["all"]?["count"], 1500)
        XCTAssertEqual(try JSONDecoder().decode(BenchReport.self, from: text), BenchReport(try result()))
    }

    func testCSVHasARowAKind() throws {
        let lines = BenchReport(try result()).csv.split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false)
        }
        XCTAssertEqual(
            lines[0].joined(separator: " "),
            "operation count throughput mean min p50 p90 p95 p99 p99.9 p99.99 max refused unknown other missing behind")
        XCTAssertEqual(lines.map { $0[0] }, ["operation", "read", "update", "all"])
        XCTAssertTrue(lines.allSatisfy { $0.count == lines[0].count })
        XCTAssertEqual(lines[3][1], "1500")
        XCTAssertEqual(lines[3].suffix(5), ["1", "2", "0", "3", "4"])
        XCTAssertEqual(lines[1].suffix(5), ["", "", "", "", ""])
    }

    func testLatenciesAboveAnHourAreAnHour() {
        var recorder = Recorder()
        recorder.done(.read, nanoseconds: .max)
        recorder.done(.read, nanoseconds: 0)
        XCTAssertEqual(recorder.done(.read), 2)
        XCTAssertEqual(Double(recorder.latencies(of: .read).max), 3.6e12, accuracy: 3.6e9)
    }

    func testPartsOfThreadsAddUp() {
        XCTAssertEqual((0..<3).map { share(50, thread: $0, of: 3) }, [17, 17, 16])
        var (one, two) = (Recorder(), Recorder())
        one.done(.read, nanoseconds: 10)
        two.done(.scan, nanoseconds: 20)
        two.failed(.other, "x")
        one.add(two)
        XCTAssertEqual(one.done, 2)
        XCTAssertEqual(one.count(of: .other), 1)
        XCTAssertEqual(one.reason(of: .other), "x")
        one.reset()
        XCTAssertEqual(one.done + one.failed + one.missing, 0)
    }
}
