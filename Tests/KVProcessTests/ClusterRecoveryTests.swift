import Foundation
import KVClient
import KVCore
import XCTest

/// Tests the recovery of clusters of real processes that have lost majorities for good.
final class ClusterRecoveryTests: XCTestCase {
    private static let quick = "failure: {probe_interval: 100ms}\n"

    /// Until each of these keys is on all three of its nodes: what is chosen reaches the last within a moment.
    private func waitUntilCopied(_ keys: Int, _ cluster: TestCluster) throws {
        try cluster.wait(for: "all replicas of \(keys) keys") {
            try cluster.ring("n1").nodes.reduce(0) { $0 + Int($1.keys ?? 0) } == 3 * keys
        }
    }

    private func recover(_ cluster: TestCluster, _ id: String, lost: String, _ flags: String...) throws
        -> TestCluster.CommandResult
    {
        try cluster.kv(
            (["recover", "--config", cluster.file.path, "--node", id, "--lost", lost] + flags).map { Array($0.utf8) })
    }

    func testOneOfThreeGoesOnAlone() throws {
        let cluster = try TestCluster(settings: Self.quick)
        try cluster.startAndWait()
        let samples = Array(Sample.all.suffix(30))
        try Sample.put(samples, on: cluster.connectToAll())
        try waitUntilCopied(samples.count, cluster)
        cluster.killNow("n2", "n3")
        for id in ["n2", "n3"] {
            try FileManager.default.moveItem(atPath: cluster.data(id), toPath: cluster.data(id) + ".old")
        }
        let running = try recover(cluster, "n1", lost: "n2,n3", "--yes")
        XCTAssertEqual(running.status, 69, running.errors)
        XCTAssertTrue(running.errors.contains("in use"), running.errors)
        cluster.killNow("n1")

        let shown = try recover(cluster, "n1", lost: "n2,n3")
        XCTAssertEqual(shown.status, 0, shown.errors)
        for line in [
            "n1 goes by epoch ", "lost for good: n2, n3\nleft: n1\n", "64 of 64 partitions: the majority is lost;",
            "    at n1: 0-63\n", "nothing was changed; --yes does it.",
        ] { XCTAssertTrue(shown.text.contains(line), "\(line) in:\n\(shown.text)") }
        let done = try recover(cluster, "n1", lost: "n2,n3", "--yes")
        XCTAssertEqual(done.status, 0, done.errors)
        XCTAssertTrue(done.text.contains("\ndone: n1 goes by epoch "), done.text)
        let twice = try recover(cluster, "n1", lost: "n2,n3", "--yes")
        XCTAssertEqual(twice.status, 65)
        XCTAssertEqual(twice.errors, "kv: nothing was changed: it goes on without these already: start it\n")

        try cluster.start("n1")
        try cluster.waitUntilReady("n1")
        try cluster.wait(for: "the lost to be removed") { try cluster.ring("n1").nodes.map(\.id) == ["n1"] }
        let first = try cluster.connect("n1")
        for sample in samples { try sample.assertThere(on: first) }
        XCTAssertEqual(try cluster.kv("put", "new", "value", at: ["n1"]).status, 0)

        // The lost nodes come back. Their topology is outdated, for each of them and for both together.
        for id in ["n2", "n3"] {
            try FileManager.default.moveItem(atPath: cluster.data(id) + ".old", toPath: cluster.data(id))
        }
        try cluster.start("n2", "n3")
        for id in ["n2", "n3"] {
            XCTAssertEqual(try cluster.end(of: id), .exited(65), cluster.log(id))
            XCTAssertTrue(cluster.log(id).contains("\(id) was removed from the cluster test"), cluster.log(id))
        }

        for id in ["n2", "n3"] {
            try cluster.eraseData(of: id)
            try cluster.startPendingNode(id, seed: "n1")
            try cluster.wait(for: "n1 to hear of \(id)") {
                try cluster.ring("n1").waiting.contains { $0.id == id }
            }
        }
        let join = try cluster.kv("join", "n2", "n3", "--yes", at: ["n1"])
        XCTAssertEqual(join.status, 0, join.errors)
        try cluster.waitUntilReady("n1", "n2", "n3")
        cluster.killNow("n1")
        let third = try cluster.connect("n3")
        for sample in samples { try sample.assertThere(on: third) }
        XCTAssertEqual(try cluster.kv("get", "new", at: ["n3"]).text, "value")
    }

    func testThreeOfFiveGoOn() throws {
        let cluster = try TestCluster(nodes: 5, spares: 1, settings: Self.quick)
        try cluster.startAndWait()
        let samples = Array(Sample.all.suffix(30))
        try Sample.put(samples, on: ["n1", "n2", "n3", "n4", "n5"].map { try cluster.connect($0) })
        try waitUntilCopied(samples.count, cluster)
        cluster.killNow("n1", "n4", "n5")
        let running = try recover(cluster, "n1", lost: "n4,n5", "--yes")
        XCTAssertEqual(running.status, 69, running.errors)
        XCTAssertTrue(running.errors.hasPrefix("kv: nothing was changed: n2 runs ("), running.errors)
        cluster.killNow("n2", "n3")
        for id in ["n4", "n5"] { try cluster.eraseData(of: id) }

        // The third takes over what the others came to.
        for id in ["n1", "n2"] {
            let done = try recover(cluster, id, lost: "n4,n5", "--yes")
            XCTAssertEqual(done.status, 0, done.errors)
            XCTAssertTrue(done.text.contains("a majority of the replicas is left; nothing is lost\n"), done.text)
        }
        try cluster.start("n1", "n2", "n3")
        try cluster.waitUntilReady("n1", "n2", "n3")
        try cluster.wait(for: "the lost to be removed") {
            let ring = try cluster.ring("n3")
            return ring.nodes.map(\.id) == ["n1", "n2", "n3"] && ring.plan == nil
                && ring.nodes.allSatisfy { $0.replicas == 64 }
        }
        let third = try cluster.connect("n3")
        for sample in samples { try sample.assertThere(on: third) }

        try cluster.startPendingNode("n6")
        try cluster.wait(for: "n1 to hear of n6") { cluster.log("n1").contains("run `kv join n6`") }
        let join = try cluster.kv("join", "n6", "--yes", at: ["n1", "n2", "n3"])
        XCTAssertEqual(join.status, 0, join.errors)
        XCTAssertEqual(try cluster.ring("n6").nodes.map(\.id), ["n1", "n2", "n3", "n6"])
        cluster.killNow("n2")
        for sample in samples { try sample.assertThere(on: third) }
    }

    func testOneOfTwoGoesOnAlone() throws {
        let cluster = try TestCluster(nodes: 2, settings: Self.quick)
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.kv("put", "k", "v").status, 0)
        cluster.killNow("n2")
        try cluster.wait(for: "n2 to be dead") {
            try cluster.kv("ring", "-o", "json", at: ["n1"]).text.contains("\"dead\"")
        }
        let leave = try cluster.kv("leave", "n2", "--force", "--yes", at: ["n1"])
        XCTAssertEqual(leave.status, 2, leave.text)
        XCTAssertTrue(
            leave.errors.hasPrefix("kv: without n2 no partition that it holds has a majority of its replicas"),
            leave.errors)
        XCTAssertTrue(leave.errors.contains("'kv recover'"), leave.errors)
        cluster.killNow("n1")
        XCTAssertEqual(try recover(cluster, "n1", lost: "n2", "--yes").status, 0)
        try cluster.start("n1")
        try cluster.waitUntilReady("n1")
        XCTAssertEqual(try cluster.kv("get", "k", at: ["n1"]).text, "v")
        try cluster.wait(for: "n2 to be removed") { try cluster.ring("n1").nodes.map(\.id) == ["n1"] }
    }

    func testWhatIsRefusedAndWhy() throws {
        let cluster = try TestCluster()
        let none = try recover(cluster, "n1", lost: "n2")
        XCTAssertEqual(none.status, 65)
        XCTAssertTrue(none.errors.contains("holds no node's data"), none.errors)
        try cluster.startAndWait()
        cluster.killNow("n1", "n2", "n3")
        for (lost, reason) in [("n1,n2", "this node itself"), ("n9", "n9 is not a member; there are n1, n2, n3")] {
            let refused = try recover(cluster, "n1", lost: lost, "--yes")
            XCTAssertEqual(refused.status, 65)
            XCTAssertTrue(refused.errors.contains(reason), refused.errors)
        }
        let unnamed = try cluster.kv("recover", "--data-dir", cluster.data("n1"))
        XCTAssertEqual(unnamed.status, 64)
        let other = try cluster.kv("recover", "--data-dir", cluster.data("n1"), "--node", "n2", "--lost", "n3")
        XCTAssertEqual(other.status, 65)
        XCTAssertTrue(other.errors.contains("is the data of n1, not of n2"), other.errors)
        let directory = try cluster.kv("recover", "--data-dir", cluster.data("n1"), "--lost", "n2", "--lost", "n3")
        XCTAssertEqual(directory.status, 0, directory.errors)
    }
}
