import Foundation
import XCTest

/// Tests `kv bench` against real servers.
final class BenchTests: XCTestCase {
    private struct Report: Decodable {
        struct Latencies: Decodable { var count: Int }
        var operations: Int
        var throughput: Double
        var missing: Int
        var errors: [String: Count]
        var latencies: [String: Latencies]

        enum CodingKeys: String, CodingKey {
            case operations, throughput, missing, errors
            case latencies = "latency_ms"
        }

        /// The counts of errors; their examples are of no interest.
        enum Count: Decodable {
            case number(Int)
            case other

            init(from decoder: any Decoder) throws {
                self = (try? decoder.singleValueContainer().decode(Int.self)).map { .number($0) } ?? .other
            }

            var isZero: Bool { if case .number(let count) = self { count == 0 } else { true } }
        }
    }

    private func report(_ result: TestCluster.CommandResult, line: UInt = #line) throws -> Report {
        XCTAssertEqual(result.status, 0, result.errors, line: line)
        XCTAssertEqual(result.errors, "", line: line)
        return try JSONDecoder().decode(Report.self, from: Data(result.output))
    }

    private func expectWork(_ report: Report, _ kinds: Set<String>, line: UInt = #line) {
        XCTAssertGreaterThan(report.operations, 20, line: line)
        XCTAssertGreaterThan(report.throughput, 20, line: line)
        XCTAssertEqual(report.missing, 0, line: line)
        XCTAssertTrue(report.errors.values.allSatisfy(\.isZero), "\(report.errors)", line: line)
        XCTAssertEqual(Set(report.latencies.keys), kinds.union(["all"]), line: line)
        XCTAssertEqual(report.latencies["all"]?.count, report.operations, line: line)
    }

    private static let common = ["--duration", "1s", "--keys", "500", "--clients", "4", "-o", "json"]

    private func bench(_ cluster: TestCluster, _ words: String..., at ids: [String] = []) throws -> Report {
        try report(cluster.kv((["bench"] + words + Self.common).map { Array($0.utf8) }, at: ids))
    }

    func testDrivesANodeByLibraryAndHTTP() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        try cluster.startAndWait()
        expectWork(try bench(cluster, "--protocol", "kv", "--workload", "a"), ["read", "update"])
        XCTAssertEqual(try cluster.kv("get", "user000000000499").output.count, 100)
        XCTAssertEqual(try cluster.kv("get", "user000000000500").status, 1)
        expectWork(try bench(cluster, "--protocol", "http", "--workload", "f"), ["read", "read_modify_write"])
        expectWork(try bench(cluster, "--protocol", "http", "--workload", "e", "--load", "no"), ["scan", "insert"])
        let paced = try bench(cluster, "--protocol", "http", "--workload", "d", "--rate", "300", "--pipeline", "4")
        XCTAssertEqual(Double(paced.operations), 300, accuracy: 60)
    }

    func testDrivesNodesByRedissProtocol() throws {
        let cluster = try TestCluster(nodes: 3)
        try cluster.startAndWait()
        expectWork(
            try bench(cluster, "--protocol", "resp", "--workload", "a", "--pipeline", "4", at: ["n2"]),
            ["read", "update"])
        XCTAssertEqual(try cluster.kv("get", "user000000000499").output.count, 100)
        expectWork(
            try bench(cluster, "--protocol", "resp", "--workload", "f", "--load", "no", "--any-node"),
            ["read", "read_modify_write"])
        expectWork(try bench(cluster, "--protocol", "resp", "--workload", "d", "--load", "no"), ["read", "insert"])
        expectWork(try bench(cluster, "--protocol", "resp", "--workload", "e", "--load", "no"), ["scan", "insert"])
        expectWork(
            try bench(cluster, "--protocol", "resp", "--read-ratio", "0", "--wait", "1", "--load", "no"), ["update"])
    }

    func testLeadersAreSentTheirKeysAndADeadNodeIsNoEnd() throws {
        let cluster = try TestCluster(nodes: 3)
        try cluster.startAndWait()
        expectWork(
            try bench(cluster, "--protocol", "http", "--workload", "a", "--threads", "2", at: ["n1"]),
            ["read", "update"])
        let finish = try cluster.begin(
            [
                TestCluster.executable, "bench", "--protocol", "http", "--read-ratio", "0.5", "--duration", "4s",
                "--keys",
                "500", "--load", "no", "--clients", "4", "-o", "json",
            ].map { Array($0.utf8) }, ["KV_ENDPOINT": "\(cluster.nodes[0].client),\(cluster.nodes[1].client)"])
        usleep(1_000_000)
        cluster.killNow("n3")
        let result = try finish()
        XCTAssertEqual(result.status, 0, result.errors)
        let report = try JSONDecoder().decode(Report.self, from: Data(result.output))
        XCTAssertGreaterThan(report.operations, 100)
    }

    func testExitCodesTellWhatWasTheMatter() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        for transport in ["kv", "http", "resp"] {
            let result = try cluster.kv("bench", "--protocol", transport, "--duration", "1s")
            XCTAssertEqual(result.status, 69, transport)
            XCTAssertTrue(result.errors.hasPrefix("kv: no node could be asked: "), result.errors)
            XCTAssertEqual(result.text, "")
        }
        let usage = try cluster.kv("bench", "--workload", "x")
        XCTAssertEqual(usage.status, 64)
        XCTAssertTrue(usage.errors.hasPrefix("kv: --workload is a, b, c, d, e or f"), usage.errors)
    }

    func testAnInterruptEndsTheRunAndShowsIt() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        try cluster.startAndWait()
        let output = cluster.directory.appendingPathComponent("bench.out").path
        let process = try ChildProcess(
            [
                TestCluster.executable, "bench", "--protocol", "http", "--keys", "100", "--duration", "60s", "-o",
                "json",
                "--histogram", "load.hgrm", "--endpoint", "\(cluster.nodes[0].client)",
            ].map { Array($0.utf8) }, directory: cluster.directory.path, output: output, errors: output)
        try cluster.wait(for: "keys to be loaded") { try cluster.kv("get", "user000000000099").status == 0 }
        usleep(300_000)
        process.signal(SIGINT)
        XCTAssertEqual(try process.wait(limit: 15), .exited(0))
        let report = try JSONDecoder().decode(Report.self, from: Data(contentsOf: URL(fileURLWithPath: output)))
        XCTAssertGreaterThan(report.operations, 0)
        for name in ["load.hgrm", "load.read.hgrm", "load.update.hgrm"] {
            let text = try String(contentsOf: cluster.directory.appendingPathComponent(name), encoding: .utf8)
            XCTAssertTrue(text.contains("Value     Percentile TotalCount 1/(1-Percentile)"), text)
            XCTAssertTrue(text.contains("#[Max     ="), text)
        }
    }

    func testDrivesARedis() throws {
        let path = "/usr/bin/redis-server"
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw XCTSkip("redis-server is not installed (apt-get install redis-server)")
        }
        // For its directory and its way to run commands; no node of it is started.
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        let port = "\(cluster.nodes[0].client.port)"
        let log = cluster.directory.appendingPathComponent("redis.log").path
        let redis = try ChildProcess(
            [path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"].map { Array($0.utf8) },
            directory: cluster.directory.path, output: log, errors: log)
        defer { redis.killNow() }
        try cluster.wait(for: "redis-server to listen") {
            try cluster.kv("bench", "--protocol", "resp", "--load", "only", "--keys", "1").status == 0
        }
        expectWork(
            try bench(cluster, "--protocol", "resp", "--workload", "a", "--pipeline", "8", "--threads", "2"),
            ["read", "update"])
        expectWork(try bench(cluster, "--protocol", "resp", "--workload", "d", "--load", "no"), ["read", "insert"])
        expectWork(try bench(cluster, "--protocol", "resp", "--workload", "e", "--load", "no"), ["scan", "insert"])
        // Nobody confirms: the writes are done, and not what was asked for.
        let alone = try cluster.kv(
            (["bench", "--protocol", "resp", "--read-ratio", "0", "--wait", "1", "--load", "no"] + Self.common).map {
                Array($0.utf8)
            })
        XCTAssertEqual(alone.status, 69)
        XCTAssertTrue(alone.errors.contains("0 of 1 replicas confirmed"), alone.errors)
    }
}
