import KVCore
import XCTest

/// Tests a node that is paused for a while, and one that is asked to stop.
final class PauseTests: XCTestCase {
    func testPausedNodeIsRoutedAroundAndReadsNothingOld() throws {
        let cluster = try TestCluster(settings: "failure: {probe_interval: 200ms}\n")
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let keys = try cluster.keys(ledBy: "n1", count: 8)
        for key in keys { XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/\(key)", body: [1]).status, 204) }
        let load = Load(cluster, prefix: "pause-")
        load.start(at: ["n2", "n3"])
        defer { load.stop() }

        let connections = try keys.map { key in
            let connection = try cluster.connect("n1")
            XCTAssertEqual(try connection.request("GET", "/v1/kv/\(key)").body, [1])
            return connection
        }
        // So n1 has leases for these reads.
        for _ in 0..<20 {
            for (key, connection) in zip(keys, connections) {
                XCTAssertEqual(try connection.request("GET", "/v1/kv/\(key)").body, [1])
            }
            usleep(10_000)
        }
        try cluster.stopNow("n1")
        // Waiting in its sockets from now on, these are among the first that it sees when it goes on.
        // They are complete, and so asked, only when the new value is there.
        for (key, connection) in zip(keys, connections) {
            connection.send("GET /v1/kv/\(key) HTTP/1.1\r\nHost: kv\r\n\r")
        }
        try cluster.wait(for: "the others to lead") {
            try ["n2", "n3"].allSatisfy { try cluster.leads("n1", seenBy: $0) == 0 }
        }
        for key in keys { XCTAssertEqual(try cluster.http("n2", "PUT", "/v1/kv/\(key)", body: [2]).status, 204) }
        for connection in connections { connection.send("\n") }
        cluster.signal(SIGCONT, "n1")
        for (key, connection) in zip(keys, connections) {
            let answer = try connection.answer()
            XCTAssertEqual(answer.status, 200, "\(key): \(answer.text)")
            XCTAssertEqual(answer.body, [2], "an old value of \(key) was read")
        }
        try cluster.waitUntilBalanced()
        load.stop()
        try load.readAll(at: ["n1", "n2", "n3"])
        load.check()
        let reads = load.all.filter { $0.isRead && !$0.outcome.isDone }
        XCTAssertEqual(reads.map(\.description), [], "reads went on")
    }

    func testPausesUnderLoad() throws {
        let cluster = try TestCluster(settings: "failure: {probe_interval: 200ms}\n")
        try cluster.startAndWait()
        let load = Load(cluster, prefix: "pauses-", keys: 20)
        load.start()
        defer { load.stop() }
        for id in ["n1", "n2", "n3"] {
            usleep(400_000)
            try cluster.stopNow(id)
            usleep(700_000)
            cluster.signal(SIGCONT, id)
        }
        try cluster.waitUntilBalanced()
        load.stop()
        try load.readAll(at: ["n1", "n2", "n3"])
        load.check()
    }

    func testStopHandsLeadershipsOver() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let load = Load(cluster, prefix: "stop-")
        load.start(at: ["n2", "n3"])
        defer { load.stop() }
        usleep(500_000)
        XCTAssertEqual(try cluster.stop("n1"), .exited(0), cluster.log("n1"))
        usleep(500_000)
        try cluster.start("n1")
        try cluster.waitUntilReady("n1")
        try cluster.waitUntilBalanced()
        load.stop()
        XCTAssertEqual(load.all.filter { !$0.outcome.isDone }.map(\.description), [], "no request failed")
        try load.readAll(at: ["n1", "n2", "n3"])
        load.check()
        XCTAssertTrue(cluster.log("n1").contains("INFO stopped"), cluster.log("n1"))
    }
}
