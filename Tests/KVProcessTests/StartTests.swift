import KVCore
import XCTest

/// Tests `kv serve` where it cannot start, or must not: the exit code, and the message that the user sees.
final class StartTests: XCTestCase {
    private func assert(
        _ result: TestCluster.CommandResult, _ status: Int32, _ words: String..., line: UInt = #line
    ) {
        XCTAssertEqual(result.status, status, result.errors, line: line)
        let last = result.errors.split(separator: "\n").last.map(String.init) ?? ""
        XCTAssertTrue(last.hasPrefix("kv: "), result.errors, line: line)
        for word in words { XCTAssertTrue(last.contains(word), "no '\(word)' in: \(last)", line: line) }
    }

    func testConfigurationThatIsRefused() throws {
        let cluster = try TestCluster()
        let other = "\(cluster.directory.path)/other.yaml"
        try assert(
            cluster.serve("n1") { $0 + "colour: red\n" }, 65, "\(other):7:1: unknown key \"colour\"", "known here are")
        try assert(
            cluster.serve("n1") { $0.replacingOccurrences(of: "replicas: 3", with: "replicas: 3, replcas: 2") }, 65,
            "\(other):1:52: unknown key \"replcas\"")
        try assert(
            cluster.serve("n1") { $0.replacingOccurrences(of: "partitions: 64", with: "partitions: 65") }, 65,
            "\(other):1:35:", "power of two")
        try assert(cluster.serve("n1") { $0 + "storage: {sync: sometimes}\n" }, 65, "\(other):7:17:", "always")
        try assert(cluster.serve("n1") { $0 + "{" }, 65, "\(other):8:1:")
        try assert(cluster.serve("N9"), 64, "--node", "N9", "a-z 0-9")
        try assert(cluster.kv("serve", "--config", other), 64, "--node", "n1, n2, n3")
        try assert(cluster.kv("serve", "--config", "none.yaml", "--node", "n1"), 65, "none.yaml", "No such file")
    }

    func testPlacesThatCannotBeUsed() throws {
        let cluster = try TestCluster()
        func moved(_ text: String, to place: String) -> String {
            text.replacingOccurrences(of: "data_dir: \(cluster.directory.path)/data", with: "data_dir: \(place)")
        }
        try assert(cluster.serve("n1") { moved($0, to: "/proc/kv") }, 69, "data directory /proc/kv/n1", "mkdir")
        try assert(cluster.serve("n1") { moved($0, to: cluster.file.path) }, 69, "Not a directory")

        try cluster.start("n1")
        try cluster.wait(for: "n1 to listen") { (try? cluster.http("n1", "GET", "/ping").status) == 200 }
        try assert(cluster.serve("n1"), 69, "\(cluster.data("n1")) is in use by another process", "Stop that one")
        let elsewhere = "\(cluster.directory.path)/elsewhere"
        try assert(
            cluster.serve("n1") { moved($0, to: elsewhere) }, 69, "cannot listen for peers on", "in use", "another")
        let peer = try cluster.node("n1").peer
        try assert(
            cluster.serve("n1") {
                moved($0, to: elsewhere + "2").replacingOccurrences(of: "\(peer)", with: "127.0.0.1:1")
            },
            69, "cannot listen for clients on", "in use", "another")
    }

    func testDataOfSomethingElse() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        for id in ["n1", "n2", "n3"] { XCTAssertEqual(try cluster.stop(id), .exited(0)) }

        try assert(
            cluster.serve("n1") { $0.replacingOccurrences(of: "replicas: 3", with: "replicas: 2") }, 65,
            cluster.data("n1"), "cluster.replicas: 3", "cluster.replicas: 2", "put that back")
        try assert(
            cluster.serve("n1") { $0.replacingOccurrences(of: "name: test", with: "name: prod") }, 65,
            "cluster.name: test")

        let files = FileManager.default
        try files.moveItem(atPath: cluster.data("n2"), toPath: cluster.data("n2") + "-aside")
        try files.copyItem(atPath: cluster.data("n1"), toPath: cluster.data("n2"))
        try assert(cluster.serve("n2"), 65, cluster.data("n2"), "data of node n1, not of n2")

        // The fields of the identity file: magic (8 bytes), format (4).
        let identity = cluster.data("n1") + "/identity"
        let original = try Data(contentsOf: URL(fileURLWithPath: identity))
        var changed = original
        changed[8] = 99
        try changed.write(to: URL(fileURLWithPath: identity))
        try assert(cluster.serve("n1"), 65, identity, "format 99", "newer kv")
        changed = original
        changed[changed.count - 1] ^= 1
        try changed.write(to: URL(fileURLWithPath: identity))
        try assert(cluster.serve("n1"), 65, identity, "damaged")
    }

    func testNodesWhoseFilesDisagree() throws {
        let cluster = try TestCluster()
        try cluster.start("n2", "n3")
        for id in ["n2", "n3"] {
            try cluster.wait(for: "\(id) to listen") { (try? cluster.http(id, "GET", "/ping").status) == 200 }
        }
        let text = try String(contentsOf: cluster.file, encoding: .utf8)
        try text.replacingOccurrences(of: "replicas: 3", with: "replicas: 2")
            .write(to: cluster.file, atomically: true, encoding: .utf8)
        try cluster.start("n1")
        let said = "cluster.replicas is \"2\" on n1 and \"3\" on n2"
        try cluster.wait(for: "n1 to say '\(said)'; its log:\n\(cluster.log("n1"))") {
            cluster.log("n1").contains(said)
        }
        try cluster.wait(for: "n2 to name it; its log:\n\(cluster.log("n2"))") {
            cluster.log("n2").contains("cluster.replicas is \"3\" on n2 and \"2\" on n1")
        }
        XCTAssertTrue(cluster.log("n1").contains("give all nodes the same file"), cluster.log("n1"))
        // n1 takes no part, the others go on.
        try cluster.waitUntilReady("n2", "n3")
        XCTAssertEqual(try cluster.http("n1", "GET", "/health/ready").status, 503)
        XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/k?timeout=300ms", body: [1]).status, 503)
    }

    func testWipedNodeIsRefused() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/k", body: [1]).status, 204)
        cluster.killNow("n3")
        try FileManager.default.removeItem(atPath: cluster.data("n3"))
        try cluster.start("n3")
        for id in ["n1", "n2"] {
            try cluster.wait(for: "\(id) to refuse n3; its log:\n\(cluster.log(id))") {
                cluster.log(id).contains("n3 has another data directory than before")
            }
        }
        try cluster.wait(for: "n3 to know why; its log:\n\(cluster.log("n3"))") {
            cluster.log("n3").contains("n3 has another data directory than before")
        }
        XCTAssertEqual(try cluster.end(of: "n3"), .exited(65))
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/k").body, [1])
        // Without it, a majority is both of the others: one more lost, and nothing is served.
        cluster.killNow("n2")
        XCTAssertNotEqual(try cluster.http("n1", "PUT", "/v1/kv/k?timeout=300ms", body: [2]).status, 204)
    }
}
