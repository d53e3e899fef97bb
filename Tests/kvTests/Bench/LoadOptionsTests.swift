import KVBench
import KVCore
import XCTest

@testable import kv

final class LoadOptionsTests: XCTestCase {
    func testOptionsAreWhatTheUserSaid() throws {
        let options = try LoadOptions.parse([
            "--workload", "d", "--clients", "8", "--pipeline", "4", "--rate", "1000", "--duration", "2m", "--keys", "9",
            "--value-size", "4KiB", "--distribution", "uniform", "--protocol", "resp", "--operations", "77", "--load",
            "only", "--wait", "2", "--seed", "5", "--warmup", "1s", "--threads", "2", "--any-node",
        ])
        try options.check()
        let bench = try options.benchOptions(endpoints: [], timeout: .milliseconds(1))
        XCTAssertEqual(bench.mix.name, "d")
        XCTAssertEqual(bench.distribution, .uniform)
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
