import Foundation
import Histogram
import KVCore
import XCTest

@testable import KVBench
@testable import kv

final class ReportTests: XCTestCase {
    private func result() throws -> BenchResult {
        var options = BenchOptions(endpoints: [], timeout: .milliseconds(5000))
        options.mix = try XCTUnwrap(WorkloadMix(ycsb: "a"))
        options.transport = .resp
        options.rate = 500
        var recorder = Recorder()
        for index in 1...1000 { recorder.done(.read, nanoseconds: UInt64(index) * 1_000_000, isMissing: index <= 3) }
        for _ in 1...500 { recorder.done(.update, nanoseconds: 2_000_000) }
        recorder.failed(.unknown, "first")
        recorder.failed(.unknown, "second")
        recorder.failed(.refused, "no")
        var result = BenchResult(options)
        result.load = BenchResult.Load(keys: 100_000, seconds: 2)
        result.figures = Figures(recorder: recorder, throughput: 150, seconds: 10, backlog: 4)
        return result
    }

    func testJSONSaysWhatHappened() throws {
        let text = try JSONOutput.text(BenchReport(result()))
        let object = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
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
        XCTAssertEqual(latencies["update"]?["mean"] ?? 0, 2, accuracy: 0.01)
        XCTAssertEqual(latencies["all"]?["count"], 1500)
        XCTAssertEqual(try JSONDecoder().decode(BenchReport.self, from: Data(text.utf8)), BenchReport(try result()))
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

    func testTheTableSaysWhatIsUnusual() throws {
        let lines = BenchTable.lines(BenchReport(try result()))
        XCTAssertEqual(lines[0], "100000 keys loaded in 2.0 s, 50000/s")
        XCTAssertEqual(lines[1], "1500 operations in 10.0 s, 150/s of 500/s wanted")
        XCTAssertEqual(lines[2], "errors: 1 refused, such as: no")
        XCTAssertEqual(lines[3], "errors: 2 unknown, such as: first")
        XCTAssertEqual(lines[4], "3 reads found no such key")
        XCTAssertEqual(lines[5], "4 operations were due and never begun: this rate is too high")
        XCTAssertTrue(lines[7].hasPrefix("ms"), lines[7])
        XCTAssertEqual(lines.dropFirst(8).map { $0.prefix { $0 != " " } }, ["read", "update", "all"])
    }

    func testNumbersAreWrittenWithTheirDigits() {
        for (value, digits, text) in [
            (0.0, 3, "0.000"), (1.0005, 3, "1.001"), (12.3, 0, "12"), (-1.25, 1, "-1.3"), (0.05, 1, "0.1"),
        ] {
            XCTAssertEqual(BenchTable.fixed(value, digits), text)
        }
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

    func testEachKindsHistogramLiesBesideTheWhole() {
        for (path, sibling) in [
            ("a.hgrm", "a.read.hgrm"), ("/x.y/a", "/x.y/a.read"), ("x.y/.a", "x.y/.a.read"), ("a.b.c", "a.b.read.c"),
        ] {
            XCTAssertEqual(
                String(decoding: HistogramFile.sibling(of: Array(path.utf8), "read"), as: UTF8.self), sibling)
        }
    }

    // MARK: Options

    func testOptionsAreWhatTheUserSaid() throws {
        let options = try LoadOptions.parse([
            "--workload", "d", "--clients", "8", "--pipeline", "4", "--rate", "1000", "--duration", "2m", "--keys", "9",
            "--value-size", "4KiB", "--distribution", "uniform", "--protocol", "resp", "--operations", "77", "--load",
            "only", "--wait", "2", "--seed", "5", "--warmup", "1s", "--threads", "2", "--any-node",
        ])
        try options.check()
        let bench = try options.benchOptions(endpoints: [], timeout: .milliseconds(1))
        XCTAssertEqual(bench.mix.name, "d")
        XCTAssertEqual(bench.chosenDistribution, .uniform)
        XCTAssertEqual(
            [bench.clients, bench.pipeline, bench.keys, bench.valueSize, bench.wait, bench.threads],
            [8, 4, 9, 4096, 2, 2])
        XCTAssertEqual(bench.rate, 1000)
        XCTAssertEqual(bench.duration, .milliseconds(120_000))
        XCTAssertEqual(bench.warmup, .milliseconds(1000))
        XCTAssertEqual(bench.operations, 77)
        XCTAssertEqual(bench.loading, .only)
        XCTAssertEqual(bench.transport, .resp)
        XCTAssertEqual(bench.seed, 5)
        XCTAssertFalse(bench.isRouted)
        let plain = try LoadOptions.parse([]).benchOptions(endpoints: [], timeout: .milliseconds(1))
        XCTAssertEqual(plain.mix.name, "a")
        XCTAssertEqual(plain.transport, .kv)
        XCTAssertTrue(plain.isRouted)
    }

    func testOptionsThatMakeNoSenseAreRefused() {
        for words in [
            "--workload g", "--workload a --read-ratio 1", "--read-ratio 1.5", "--read-ratio nan", "--rate 0",
            "--rate -1", "--clients 0", "--pipeline 0", "--threads 0", "--threads 51 --protocol resp", "--keys 0",
            "--keys 1000000001", "--value-size 65MiB", "--value-size x", "--duration 0s", "--duration 8d",
            "--warmup x", "--operations 0", "--wait 1", "--wait -1 --protocol resp", "--distribution normal",
            "--protocol ftp", "--load maybe", "--threads 2", "--workload e", "--clients x",
        ] {
            XCTAssertThrowsError(try LoadOptions.parse(words.split(separator: " ").map(String.init)).check(), words)
        }
    }
}
