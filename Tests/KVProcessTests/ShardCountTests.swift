import Foundation
import XCTest

/// Tests how many shards a node has whose operator has not chosen a number.
final class ShardCountTests: XCTestCase {
    func testANodeHasAShardForEachProcessorThatItMayUseWhenItBegins() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1, settings: "log: {format: text}\n")
        let processor = try XCTUnwrap(Self.allowedProcessors().first)
        cluster.launcher = { _ in ["taskset", "-c", "\(processor)"] }
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.shards(of: "n1"), 1)
        XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/k", body: [1, 2]).status, 204)
        XCTAssertEqual(try cluster.stop("n1"), .exited(0))

        // With all processors, or another default of a newer version, it goes on with what it has.
        cluster.launcher = { _ in [] }
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.shards(of: "n1"), 1)
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/k").body, [1, 2])
        XCTAssertFalse(cluster.log("n1").contains("storage.shards"), cluster.log("n1"))
        XCTAssertEqual(try cluster.stop("n1"), .exited(0))

        // Only who has written another number is told.
        try cluster.replaceSetting("log: {format: text}", with: "storage: {shards: 3}")
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.shards(of: "n1"), 1)
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/k").body, [1, 2])
        XCTAssertTrue(cluster.log("n1").contains("storage.shards is 3"), cluster.log("n1"))
        XCTAssertEqual(try cluster.stop("n1"), .exited(0))
        try cluster.eraseData(of: "n1")

        try cluster.replaceSetting("storage: {shards: 3}", with: "storage: {sync: never}")
        try cluster.startAndWait()
        let most = min(try Self.allowedProcessors().count, 32)
        if Self.hasQuota {
            XCTAssertLessThanOrEqual(try cluster.shards(of: "n1"), most)
        } else {
            XCTAssertEqual(try cluster.shards(of: "n1"), most)
        }
    }

    /// Whether the container that the tests run in has a quota of processor time, which counts as well.
    private static var hasQuota: Bool {
        ["/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"].contains { path in
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return false }
            return !text.hasPrefix("max") && !text.hasPrefix("-1")
        }
    }

    /// The processors that this process, and those that it starts, may run on.
    private static func allowedProcessors() throws -> [Int] {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") } ?? ""
        let list = line.split(separator: "\t").last ?? ""
        return list.split(separator: ",").flatMap { range -> [Int] in
            let bounds = range.split(separator: "-").compactMap { Int($0) }
            guard let first = bounds.first, let last = bounds.last, first <= last else { return [] }
            return Array(first...last)
        }
    }
}
