import KVClient
import KVCore
import XCTest

/// Tests real processes that join a cluster and leave it.
final class JoiningNodeTests: XCTestCase {
    func testAClusterOfOneGrowsAndShrinksBackWithItsData() throws {
        let cluster = try TestCluster(nodes: 1, spares: 2)
        try cluster.startAndWait()
        let samples = Array(Sample.all.suffix(30))
        try Sample.put(samples, on: [try cluster.connect("n1")])

        try cluster.startPendingNode("n2")
        try cluster.startPendingNode("n3")
        for id in ["n2", "n3"] {
            try cluster.wait(for: "\(id) to listen") { (try? cluster.http(id, "GET", "/ping").status) == 200 }
            let ready = try cluster.http(id, "GET", "/health/ready")
            XCTAssertEqual(ready.status, 503)
            let advice = String(decoding: ready.body, as: UTF8.self)
            XCTAssertTrue(advice.contains("waiting to be admitted to test: run `kv join \(id)`"), advice)
            let refused = try cluster.http(id, "GET", "/v1/kv/key")
            XCTAssertEqual(refused.status, 503)
            XCTAssertTrue(String(decoding: refused.body, as: UTF8.self).contains("\"not_member\""))
        }
        try cluster.wait(for: "n1 to have heard of them") {
            ["n2", "n3"].allSatisfy { cluster.log("n1").contains("run `kv join \($0)`") }
        }
        let join = try cluster.kv("join", "n2", "n3", "--yes", at: ["n1"])
        XCTAssertEqual(join.status, 0, join.errors)
        try cluster.waitUntilReady("n1", "n2", "n3")
        let third = try cluster.connect("n3")
        for sample in samples { try sample.assertThere(on: third) }
        XCTAssertEqual(try cluster.ring("n3").nodes.map(\.replicas), [64, 64, 64])

        // Two of three have it all: the one that had it first may go.
        cluster.killNow("n1")
        for sample in samples { try sample.assertThere(on: third) }
        try cluster.start("n1")
        try cluster.waitUntilReady("n1")

        let leave = try cluster.kv("leave", "n2", "n3", "--yes", at: ["n1"])
        XCTAssertEqual(leave.status, 0, leave.errors)
        for id in ["n2", "n3"] {
            XCTAssertEqual(try cluster.end(of: id), .exited(0), cluster.log(id))
            XCTAssertTrue(cluster.log(id).contains("\(id) has left the cluster test"), cluster.log(id))
        }
        let first = try cluster.connect("n1")
        for sample in samples { try sample.assertThere(on: first) }
        XCTAssertEqual(try cluster.ring("n1").nodes.map(\.id), ["n1"])
    }

    func testANodeThatIsToldNoNameTakesTheClusterAsItIs() throws {
        let cluster = try TestCluster(nodes: 1, spares: 1)
        try cluster.startAndWait()
        try cluster.startWithoutFile("n2", seed: "n1")
        try cluster.wait(for: "n1 to have heard of it") { cluster.log("n1").contains("run `kv join n2`") }
        let join = try cluster.kv("join", "n2", "--yes", at: ["n1"])
        XCTAssertEqual(join.status, 0, join.errors)
        XCTAssertTrue(cluster.log("n2").contains("admitted to test"), cluster.log("n2"))
        XCTAssertEqual(try cluster.kv("put", "k", "v", at: ["n2"]).status, 0)
        // It comes back the same way.
        XCTAssertEqual(try cluster.stop("n2"), .exited(0))
        try cluster.startWithoutFile("n2", seed: "n1")
        try cluster.waitUntilReady("n2")
        XCTAssertEqual(try cluster.kv("get", "k", at: ["n2"]).text, "v")
    }

    func testANodeAdmitsItselfAndIsFoundAgainByItsData() throws {
        let cluster = try TestCluster(nodes: 1, spares: 2)
        try cluster.startAndWait()
        try cluster.startPendingNode("n2", admitsItself: true)
        try cluster.wait(for: "n2 to be a member; its log:\n\(cluster.log("n2"))") {
            (try? cluster.ring("n2").nodes.map(\.id)) == ["n1", "n2"]
        }
        cluster.killNow("n2")
        try cluster.start("n2")
        try cluster.waitUntilReady("n2")
        XCTAssertEqual(try cluster.ring("n2").nodes.map(\.id), ["n1", "n2"])
    }

    func testOneRemovedWhileItWasAwayIsToldToBeginAgain() throws {
        let cluster = try TestCluster(settings: "failure: {probe_interval: 100ms}\n")
        try cluster.startAndWait()
        cluster.killNow("n3")
        try cluster.wait(for: "n3 to be dead") {
            try cluster.kv("ring", "-o", "json", at: ["n1"]).text.contains("\"dead\"")
        }
        let leave = try cluster.kv("leave", "n3", "--force", "--yes", at: ["n1", "n2"])
        XCTAssertEqual(leave.status, 0, leave.errors)
        for _ in 0..<2 {
            try cluster.start("n3")
            XCTAssertEqual(try cluster.end(of: "n3"), .exited(65), cluster.log("n3"))
            let last = cluster.log("n3").split(separator: "\n").last ?? ""
            XCTAssertTrue(
                last.hasPrefix("kv: n3 was removed from the cluster test, which does without its data; delete"),
                cluster.log("n3"))
        }
    }

    func testAWipedNodeTakesItsOwnPlaceAnew() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        let samples = Array(Sample.all.suffix(20))
        try Sample.put(samples, on: cluster.connectToAll())
        cluster.killNow("n3")
        try FileManager.default.removeItem(atPath: cluster.data("n3"))
        try cluster.startPendingNode("n3", seed: "n1")
        try cluster.wait(for: "n1 to hear of it") { cluster.log("n1").contains("run `kv join n3`") }
        let join = try cluster.kv("join", "n3", "--replace", "n3", "--yes", at: ["n1", "n2"])
        XCTAssertEqual(join.status, 0, join.errors)
        try cluster.waitUntilReady("n3")
        let ring = try cluster.ring("n3")
        XCTAssertEqual(ring.nodes.map(\.id), ["n1", "n2", "n3"])
        XCTAssertEqual(ring.nodes.map(\.replicas), [64, 64, 64])
        cluster.killNow("n1")
        let third = try cluster.connect("n3")
        for sample in samples { try sample.assertThere(on: third) }
    }
}
