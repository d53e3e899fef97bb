import Foundation
import KVCore
import KVStorage
import XCTest

/// Tests nodes whose machines seem to have lost power under `sync: interval` or `never`: the nodes' directories name
/// another run of the kernel.
final class PowerTests: XCTestCase {
    private func losePower(_ cluster: TestCluster, _ ids: String...) throws {
        for id in ids {
            cluster.killNow(id)
            let file = try IdentityFile(
                directory: cluster.data(id), node: id, cluster: nil, newStore: UUID128(high: 1, low: 1), newShards: 1,
                nonce: .random(in: .min ... .max))
            XCTAssertEqual(file.entry("unsynced")?.isEmpty, false, "an unclean end is to be told")
            try file.setEntry("unsynced", Array("another-run-of-the-kernel".utf8))
        }
    }

    private func waitUntilComplete(_ cluster: TestCluster, _ ids: String...) throws {
        for id in ids {
            try cluster.wait(for: "\(id) to be repaired") {
                cluster.log(id).contains("all copies hold again what this node has acknowledged")
            }
        }
    }

    func testOneIsRepairedThenAllAtOnceGoOnWithWhatIsLeft() throws {
        let cluster = try TestCluster(settings: "storage: {sync: interval, sync_interval: 1s}\n")
        try cluster.startAndWait()
        var names = try cluster.putSmallValues("first", at: "n1")
        try losePower(cluster, "n3")
        names += try cluster.putSmallValues("second", at: "n1")
        try cluster.start("n3")
        try waitUntilComplete(cluster, "n3")
        XCTAssertTrue(cluster.log("n3").contains("each copy abstains until its leader has repaired it"))
        try cluster.waitUntilReady()
        try cluster.assertHasSmallValues(names, at: "n3")

        // Two of three are not enough where all have lost power.
        try losePower(cluster, "n1", "n2", "n3")
        try cluster.start("n1", "n2")
        try cluster.wait(for: "n1 to say what it waits for") {
            let answer = try? cluster.http("n1", "GET", "/health/ready")
            return answer?.status == 503 && answer?.text.contains("all of them") == true
        }
        Thread.sleep(forTimeInterval: 5)
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/\(names[0])?timeout=100ms").status, 503)
        try cluster.start("n3")
        try cluster.waitUntilReady()
        try waitUntilComplete(cluster, "n1", "n2", "n3")
        try cluster.assertHasSmallValues(names, at: "n2")
        // Nothing of that is left to the next start.
        cluster.killNow("n2")
        try cluster.start("n2")
        try cluster.waitUntilReady("n2")
    }

    /// A new cluster begins with one mode. Then it is changed on one node after another.
    func testModesMustAgreeAtFirstAndAreComparedLater() throws {
        let cluster = try TestCluster()
        let other = ["/usr/bin/env", "KV_STORAGE_SYNC=interval"]
        cluster.launcher = { $0.id == "n3" ? other : [] }
        try cluster.start()
        try cluster.waitUntilReady("n1", "n2")
        try cluster.wait(for: "n3 to say why it is not let in") {
            cluster.log("n3").contains(#"storage.sync is "interval" on n3 and "always" on n"#)
        }
        XCTAssertEqual(try cluster.http("n3", "GET", "/health/ready").status, 503)
        XCTAssertEqual(try cluster.stop("n3"), .exited(0))
        cluster.launcher = { _ in [] }
        try cluster.start("n3")
        try cluster.waitUntilReady()

        cluster.launcher = { _ in other }
        for id in ["n3", "n2", "n1"] {
            XCTAssertEqual(try cluster.stop(id), .exited(0))
            try cluster.start(id)
            try cluster.waitUntilReady()
            if id == "n3" {
                try cluster.wait(for: "n1 to warn") {
                    cluster.log("n1").contains(#"storage.sync is "always" on n1 and "interval" on n3"#)
                }
            }
        }
    }

    /// With a disk lost as well, an operator decides.
    func testRecoverTakesWhatIsLeftForComplete() throws {
        let cluster = try TestCluster(settings: "storage: {sync: never}\n")
        try cluster.startAndWait()
        let names = try cluster.putSmallValues("k", at: "n1")
        try losePower(cluster, "n1", "n2")
        cluster.killNow("n3")
        for id in ["n1", "n2"] {
            let flags = ["recover", "--config", cluster.file.path, "--node", id, "--lost", "n3", "--yes"]
            let result = try cluster.kv(flags.map { Array($0.utf8) })
            XCTAssertEqual(result.status, 0, result.errors)
            XCTAssertTrue(result.text.contains("the newest writes may be missing"), result.text)
        }
        try cluster.start("n1", "n2")
        try cluster.waitUntilReady("n1", "n2")
        try cluster.assertHasSmallValues(names, at: "n2")
    }
}
