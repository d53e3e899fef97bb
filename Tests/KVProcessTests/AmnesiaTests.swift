import Foundation
import KVCore
import KVStorage
import XCTest

/// Tests stores that have forgotten promises: they were restored from an older copy, copied, or lost. None may take
/// part with what it has left, and nothing is lost without it.
final class AmnesiaTests: XCTestCase {
    private func copy(_ cluster: TestCluster, _ id: String, to path: String) throws {
        try FileManager.default.copyItem(atPath: cluster.data(id), toPath: path)
    }

    /// Puts n1 back to a copy, and starts it so often.
    private func assertRefused(
        _ backup: String, _ cluster: TestCluster, starts: Int, saying text: String, line: UInt = #line
    ) throws {
        try cluster.eraseData(of: "n1")
        try FileManager.default.copyItem(atPath: backup, toPath: cluster.data("n1"))
        for _ in 0..<starts {
            try cluster.start("n1")
            XCTAssertEqual(try cluster.end(of: "n1"), .exited(65), cluster.log("n1"), line: line)
        }
        let log = cluster.log("n1")
        XCTAssertTrue(log.contains(text), log, line: line)
    }

    func testAnOlderCopyOfADataDirectoryIsRefusedAtEveryStart() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        _ = try cluster.putSmallValues("before", at: "n1")
        XCTAssertEqual(try cluster.stop("n1"), .exited(0))
        let backup = cluster.directory.appendingPathComponent("backup").path
        try copy(cluster, "n1", to: backup)
        try cluster.start("n1")
        try cluster.waitUntilReady()
        // Acknowledged by n1 and n2 alone.
        cluster.killNow("n3")
        let names = try cluster.putSmallValues("after", at: "n2")
        cluster.killNow("n1")
        try assertRefused(backup, cluster, starts: 3, saying: "kv: the data directory of n1 is a copy of an older one")
        try cluster.start("n3")
        try cluster.waitUntilReady("n2", "n3")
        try cluster.assertHasSmallValues(names, at: "n3")
        // The way back that the message names.
        try cluster.eraseData(of: "n1")
        try cluster.startPendingNode("n1", seed: "n2")
        try cluster.wait(for: "n1 to be admitted") {
            try cluster.kv("join", "n1", "--replace", "n1", "--yes", at: ["n2"]).status == 0
        }
        try cluster.waitUntilReady("n1")
        try cluster.assertHasSmallValues(names, at: "n1")
    }

    /// A snapshot of the volume: its starts are those of the node itself.
    func testACopyMadeWhileTheNodeRanIsRefused() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        _ = try cluster.putSmallValues("before", at: "n1")
        let backup = cluster.directory.appendingPathComponent("backup").path
        try copy(cluster, "n1", to: backup)
        // Acknowledged by n1 and n2 alone.
        cluster.killNow("n3")
        let names = try cluster.putSmallValues("after", at: "n2")
        cluster.killNow("n1")
        // When n2 has noticed the death of n1, what n2 has seen of n1 is on its disk.
        try cluster.wait(for: "n2 to miss n1") { cluster.log("n2").contains("out of touch") }
        XCTAssertEqual(try cluster.stop("n2"), .exited(0))
        try cluster.start("n2")
        try assertRefused(
            backup, cluster, starts: 2,
            saying: "kv: the data directory of n1 is an older copy, made while n1 ran: it has ")
        try cluster.start("n3")
        try cluster.waitUntilReady("n2", "n3")
        try cluster.assertHasSmallValues(names, at: "n3")
    }

    /// The second process ends, and says why; the first one is not disturbed.
    func testACopyBesideItsOriginalEnds() throws {
        // Made before the original started last, it counts on to the same number; made afterwards, to the next.
        try copyAndStart(isLive: false, saying: "kv: the data directory of n1 is a copy of another, or was put back")
        try copyAndStart(isLive: true, saying: "kv: n1 runs already and is in touch with n")
    }

    private func copyAndStart(isLive: Bool, saying text: String, line: UInt = #line) throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        if !isLive { XCTAssertEqual(try cluster.stop("n1"), .exited(0)) }
        let other = cluster.directory.appendingPathComponent("copy")
        try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
        try copy(cluster, "n1", to: other.appendingPathComponent("n1").path)
        if !isLive { try cluster.start("n1") }
        try cluster.waitUntilReady()
        let (node, ports) = (try cluster.node("n1"), try TestCluster.freePorts(2))
        let result = try cluster.serve("n1") { text in
            text.replacingOccurrences(
                of: "{id: n1, client: \"\(node.client)\", peer: \"\(node.peer)\"}",
                with: """
                    {id: n1, client: "127.0.0.1:\(ports[0])", peer: "127.0.0.1:\(ports[1])", \
                    advertise_client: "\(node.client)", advertise_peer: "\(node.peer)"}
                    """
            ).replacingOccurrences(of: "\(cluster.directory.path)/data", with: other.path)
        }
        XCTAssertEqual(result.status, 65, result.errors)
        XCTAssertTrue(result.errors.contains(text), result.errors, line: line)
        XCTAssertTrue(cluster.isRunning("n1"))
        let names = try cluster.putSmallValues("k", at: "n1")
        try cluster.assertHasSmallValues(names, at: "n2")
    }

    func testFirstMembersThatLostTheirDataDoNotFoundTheClusterAnew() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        let names = try cluster.putSmallValues("k", at: "n1")
        cluster.killNow("n2", "n3")
        try cluster.eraseData(of: "n2")
        try cluster.eraseData(of: "n3")
        try cluster.start("n2", "n3")
        for id in ["n2", "n3"] {
            XCTAssertEqual(try cluster.end(of: id), .exited(65), cluster.log(id))
            XCTAssertTrue(
                cluster.log(id).contains("kv: \(id) has another data directory than before"), cluster.log(id))
        }
        XCTAssertTrue(cluster.isRunning("n1"))
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/\(names[0])?consistency=stale").text, names[0])
    }

    /// A store that has used a ballot twice holds another value under a version that the other replicas hold.
    func testAnotherValueUnderTheSameVersionIsFoundAndTheLeadersIsKept() throws {
        let cluster = try TestCluster(partitions: 1, settings: "storage: {shards: 1}\n")
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.stop("n3"), .exited(0))
        let written = try cluster.http("n1", "PUT", "/v1/kv/k", body: Array("chosen".utf8))
        XCTAssertEqual(written.status, 204)
        let tag = try XCTUnwrap(written.headers["etag"])
        let version = try XCTUnwrap(Version(tag.filter { $0 != "\"" }))
        try forge(Key("k"), Record(version: version, value: Array("forged".utf8)), cluster, at: "n3")
        try cluster.start("n3")
        try cluster.waitUntilReady()
        try cluster.wait(for: "n3 to hold what the others hold") {
            try cluster.http("n3", "GET", "/v1/kv/k?consistency=stale").text == "chosen"
        }
        for id in ["n1", "n2", "n3"] { XCTAssertEqual(try cluster.http(id, "GET", "/v1/kv/k").text, "chosen") }
        let logs = ["n1", "n2", "n3"].map { cluster.log($0) }.joined()
        XCTAssertTrue(logs.contains("n3 held different values under one version (found 1 times"), logs)
    }

    /// Appends a record to the store of a node that is not running.
    private func forge(_ key: Key, _ record: Record, _ cluster: TestCluster, at id: String) throws {
        let identity = try IdentityFile(
            directory: cluster.data(id), node: id, cluster: nil, newStore: UUID128(high: 0, low: 0), newShards: 1,
            nonce: 77)
        let options = StoreOptions(directory: cluster.data(id) + "/shard-0", store: identity.store)
        let store = try LogStore.open(options, identity: identity)
        try identity.note([store])
        store.put(PartitionID(0), key, record)
        while let job = store.takeCommit() {
            if let error = store.completed(job.run()) { throw error }
        }
        XCTAssertEqual(store.head(PartitionID(0), key)?.version, record.version)
        try identity.note([store])
    }

    /// One first member alone has nobody who knows that it is the first time; two are a majority.
    func testAFirstMemberWaitsForAMajorityOfThem() throws {
        let cluster = try TestCluster()
        try cluster.start("n1")
        try cluster.wait(for: "n1 to say what it waits for") {
            let answer = try? cluster.http("n1", "GET", "/health/ready")
            return answer?.status == 503 && answer?.text.contains("start n2, n3") == true
        }
        XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/k?timeout=100ms", body: [1]).status, 503)
        try cluster.start("n2")
        try cluster.waitUntilReady("n1", "n2")
        XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/k", body: [1]).status, 204)
        try cluster.start("n3")
        try cluster.waitUntilReady()
    }
}
