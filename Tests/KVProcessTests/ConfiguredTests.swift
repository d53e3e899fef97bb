import Foundation
import KVCore
import XCTest

/// Tests nodes with a configuration that sets every key, and with one that changes while they run.
final class ConfiguredTests: XCTestCase {
    func testEveryKeySetCheckedShownAndServed() throws {
        let cluster = try TestCluster()
        var text = try cluster.kv("config", "reference", "--format", "example").text
        for (index, node) in cluster.nodes.enumerated() {
            let host = "\(index + 1)"
            for (example, address) in [
                ("10.0.0.\(host):7400", node.client), ("n\(host).example.net:7400", node.client),
                ("10.0.0.\(host):7500", node.peer), ("n\(host).example.net:7500", node.peer),
            ] {
                XCTAssertTrue(text.contains(" \(example)\n"), example)
                text = text.replacingOccurrences(of: " \(example)\n", with: " \(address)\n")
            }
        }
        text = text.replacingOccurrences(of: "data_dir: ./kv-data", with: "data_dir: \(cluster.directory.path)/data")
        text = text.replacingOccurrences(of: "partitions: 1024", with: "partitions: 64")
        try text.write(to: cluster.file, atomically: true, encoding: .utf8)

        let check = try cluster.kv("config", "check", cluster.file.path, "--node", "n3")
        XCTAssertEqual(check.status, 0, check.errors)
        let show = try cluster.kv("config", "show", "--config", cluster.file.path, "--node", "n3")
        XCTAssertEqual(show.status, 0, show.errors)
        for line in show.text.split(separator: "\n").dropFirst() {
            XCTAssertFalse(line.hasSuffix(" default"), "\(line): the file sets every key")
        }
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.kv("put", "k", "v", at: ["n1"]).status, 0)
        XCTAssertEqual(try cluster.kv("get", "k", at: ["n3"]).text, "v")
    }

    func testHangUpReadsTheConfigurationAgain() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        try cluster.startAndWait()
        let text = try String(contentsOf: cluster.file, encoding: .utf8)
        func reload(_ addition: String, until words: String) throws {
            try (text + addition).write(to: cluster.file, atomically: true, encoding: .utf8)
            cluster.signal(SIGHUP, "n1")
            try cluster.wait(for: "'\(words)' in:\n\(cluster.log("n1"))") { cluster.log("n1").contains(words) }
        }
        // The last of the two: a thread of its own writes the lines, one after the other.
        try reload(
            "log: {level: debug, format: json}\n",
            until: "\"message\":\"reloaded: log.format: text is now json\"")
        XCTAssertTrue(cluster.log("n1").contains("log.level: info is now debug"))
        try reload(
            "storage: {cache: 1MiB}\n", until: "storage.cache: 256MiB is now 1MiB, which counts from the next start")
        try reload("colour: red\n", until: "the configuration was not reloaded: \(cluster.file.path):5:1: unknown key")
        XCTAssertEqual(try cluster.kv("put", "k", "v").status, 0)
        XCTAssertEqual(try cluster.stop("n1"), .exited(0))
    }

    func testReadsAreChangedWhileNodesRun() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let key = try XCTUnwrap(cluster.keys(ledBy: "n2", count: 1).first)
        XCTAssertEqual(try cluster.http("n2", "PUT", "/v1/kv/\(key)", body: [1]).status, 204)
        let text = try String(contentsOf: cluster.file, encoding: .utf8)
        let changed = text.replacingOccurrences(of: "replicas: 3}", with: "replicas: 3, reads: confirm}")
        try changed.write(to: cluster.file, atomically: true, encoding: .utf8)
        /// Reads where the key is led until a node has logged something.
        func read(until words: String, at id: String) throws {
            try cluster.wait(for: "'\(words)' in:\n\(cluster.log(id))") {
                XCTAssertEqual(try cluster.http("n2", "GET", "/v1/kv/\(key)").body, [1])
                return cluster.log(id).contains(words)
            }
        }
        cluster.signal(SIGHUP, "n1")
        try read(until: "reloaded: cluster.reads: lease is now confirm", at: "n1")
        try read(until: "cluster.reads is confirm on this node and lease on n2", at: "n1")
        XCTAssertFalse(cluster.log("n3").contains("cluster.reads"), "n3 supports n2")
        cluster.signal(SIGHUP, "n2")
        try read(until: "reloaded: cluster.reads: lease is now confirm", at: "n2")
    }

    func testHangUpBeforeItServesIsNoEnd() throws {
        let cluster = try TestCluster(nodes: 1, spares: 1, replicas: 1)
        try cluster.startAndWait()
        try cluster.startPendingNode("n2")
        try cluster.wait(for: "n2 to wait") { cluster.log("n2").contains("waiting to be admitted") }
        cluster.signal(SIGHUP, "n2")
        try cluster.wait(for: "n2 to have read it") { cluster.log("n2").contains("the same as before") }
        XCTAssertTrue(cluster.isRunning("n2"))
    }
}
