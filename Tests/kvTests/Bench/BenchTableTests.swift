import Foundation
import KVBench
import XCTest

@testable import kv

final class BenchTableTests: XCTestCase {
    /// A report of reads and updates at a rate with which the store could not keep up.
    private func report() throws -> BenchReport {
        let times =
            #""mean":5,"min":1,"p50":500,"p90":900,"p95":950,"p99":990,"p99.9":999,"p99.99":1000,"max":1000"#
        let text = """
            {"protocol":"resp","workload":"a","distribution":"zipfian","keys":100000,"value_size":100,"clients":50,\
            "pipeline":1,"threads":1,"wait":0,"rate":500,"load_seconds":2,"seconds":10,"operations":1500,\
            "throughput":150,"errors":{"refused":1,"unknown":2,"other":0,\
            "examples":{"unknown":"first","refused":"no"}},"missing":3,"behind":4,"latency_ms":{\
            "read":{"count":1000,"throughput":100,\(times)},"update":{"count":500,"throughput":50,\(times)},\
            "all":{"count":1500,"throughput":150,\(times)}}}
            """
        return try JSONDecoder().decode(BenchReport.self, from: Data(text.utf8))
    }

    func testTheTableSaysWhatIsUnusual() throws {
        let lines = BenchTable.lines(try report())
        XCTAssertEqual(lines[0], "100000 keys loaded in 2.0 s, 50000/s")
        XCTAssertEqual(lines[1], "1500 operations in 10.0 s, 150/s of 500/s wanted")
        XCTAssertEqual(lines[2], "errors: 1 refused, such as: no")
        XCTAssertEqual(lines[3], "errors: 2 unknown, such as: first")
        XCTAssertEqual(lines[4], "3 reads found no such key")
        XCTAssertEqual(
            lines[5],
            "4 operations were due and never begun: this rate is too high (they count in the times below, with what "
                + "they had waited)")
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

    /// A run that only loads keys has no table.
    func testKeysThatWereOnlyLoaded() throws {
        var report = try report()
        report.seconds = 0
        XCTAssertEqual(BenchTable.lines(report), ["100000 keys loaded in 2.0 s, 50000/s"])
    }

    func testEachKindsHistogramLiesBesideTheWhole() {
        for (path, sibling) in [
            ("a.hgrm", "a.read.hgrm"), ("/x.y/a", "/x.y/a.read"), ("x.y/.a", "x.y/.a.read"), ("a.b.c", "a.b.read.c"),
        ] {
            XCTAssertEqual(
                String(decoding: HistogramFile.sibling(of: Array(path.utf8), "read"), as: UTF8.self), sibling)
        }
    }
}
