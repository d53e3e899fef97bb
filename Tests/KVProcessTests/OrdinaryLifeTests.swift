import Foundation
import KVCore
import XCTest

/// Tests conditions that every process meets sooner or later and must survive, such as too few file descriptors or a
/// log that nobody reads.
final class OrdinaryLifeTests: XCTestCase {
    private func launched(by script: String) -> [String] { ["/bin/bash", "-c", script + "; exec \"$@\"", "bash"] }

    func testMoreClientsThanDescriptors() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1, settings: "storage: {segment: 4MiB}\n")
        cluster.launcher = { [self] _ in launched(by: "ulimit -n 256") }
        try cluster.startAndWait()
        XCTAssertTrue(
            cluster.log("n1").contains(
                "this process may have 256 files and sockets open, so 128 clients may be connected at a time"
                    + " rather than limits.connections (10000)"), cluster.log("n1"))
        let working = try cluster.connect("n1")
        var idle: [RawConnection] = []
        for _ in 0..<400 { if let connection = try? cluster.connect("n1") { idle.append(connection) } }
        // The store goes on: several segments are begun meanwhile.
        let value = [UInt8](repeating: 7, count: 1 << 20)
        for number in 0..<12 {
            XCTAssertEqual(try working.request("PUT", "/v1/kv/\(number)", body: value).status, 204)
        }
        XCTAssertTrue(cluster.isRunning("n1"), cluster.log("n1"))
        let lines = cluster.log("n1").split(separator: "\n").filter { $0.contains("turned away") }
        XCTAssertTrue((1...3).contains(lines.count), "\(lines)")
        idle = []
        try cluster.wait(for: "room for others") { try cluster.kv("get", "3").status == 0 }
    }

    func testTooFewDescriptorsAreNamed() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        cluster.launcher = { [self] _ in launched(by: "ulimit -n 100") }
        try cluster.start()
        XCTAssertEqual(try cluster.end(of: "n1"), .exited(69))
        XCTAssertTrue(cluster.log("n1").contains("may have 100 files and sockets open"), cluster.log("n1"))
    }

    func testALogThatNobodyReads() throws {
        let cluster = try TestCluster(nodes: 1, partitions: 1024, replicas: 1, settings: "log: {level: trace}\n")
        // A pipe, whose other end does not read.
        cluster.launcher = { [self] _ in launched(by: "exec 2> >(exec sleep 20)") }
        try cluster.startAndWait()
        // Each stranger is worth a line or more.
        for number in 0..<2000 { try XCTUnwrap(try? RawConnection(cluster.nodes[0].peer)).send("stranger \(number)\n") }
        XCTAssertEqual(try cluster.kv("put", "k", "v").status, 0)
        XCTAssertEqual(try cluster.http("n1", "GET", "/health/live").status, 200)
        XCTAssertEqual(try cluster.stop("n1"), .exited(0), "nor does its end wait")
    }
}
