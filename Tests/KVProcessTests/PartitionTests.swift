import KVCore
import XCTest

/// Tests cuts of the network between nodes.
final class PartitionTests: XCTestCase {
    func testOneNodeIsCutOff() throws {
        let network = try NetworkNamespaces(3)
        let cluster = try TestCluster(hosts: network.hosts, settings: "failure: {probe_interval: 200ms}\n")
        cluster.launcher = network.launcher
        cluster.connector = { node in
            try inNamespace(network.name(of: node)) { try RawConnection(node.client) }
        }
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let keys = try cluster.keys(ledBy: "n1", count: 3)
        for key in keys { XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/\(key)", body: [1]).status, 204) }
        for key in keys {
            try cluster.wait(for: "n1 to hold \(key)") {
                try cluster.http("n1", "GET", "/v1/kv/\(key)?consistency=stale").status == 200
            }
        }
        let load = Load(cluster, prefix: "cut-")
        load.start()
        defer { load.stop() }
        usleep(500_000)

        try network.cut(0)
        // Both know: what one of them still passes on to n1 ends in doubt.
        try cluster.wait(for: "the others to lead") {
            try ["n2", "n3"].allSatisfy { try cluster.leads("n1", seenBy: $0) == 0 }
        }
        let settled = Time.now
        for key in keys { XCTAssertEqual(try cluster.http("n3", "PUT", "/v1/kv/\(key)", body: [2]).status, 204) }
        for key in keys {
            // Not the old value, which n1 still holds: that would be a stale read.
            let get = try cluster.http("n1", "GET", "/v1/kv/\(key)?timeout=300ms")
            XCTAssertEqual(get.status, 503, get.text)
            XCTAssertTrue(get.message.contains("nothing was changed"), get.message)
            let put = try cluster.http("n1", "PUT", "/v1/kv/\(key)?timeout=300ms", body: [3])
            XCTAssertTrue([503, 504].contains(put.status), put.text)
            let stale = try cluster.http("n1", "GET", "/v1/kv/\(key)?consistency=stale")
            XCTAssertEqual(stale.body, [1])
        }
        usleep(500_000)
        let majority = load.events(from: settled).filter { $0.node != "n1" }
        XCTAssertGreaterThan(majority.count, 20)
        XCTAssertEqual(majority.filter { !$0.outcome.isDone }.map(\.description), [], "the majority serves")

        let healed = Time.now
        try network.heal(0)
        try cluster.waitUntilReady()
        try cluster.waitUntilBalanced()
        usleep(300_000)
        load.stop()
        let after = load.events(from: healed).filter { $0.node != "n1" }
        XCTAssertEqual(
            after.filter { !$0.outcome.isDone }.map(\.description), [], "n1 came back without a failed request")
        try load.readAll(at: ["n1", "n2", "n3"])
        load.check()
        for key in keys { XCTAssertNotEqual(try cluster.http("n1", "GET", "/v1/kv/\(key)").body, [1]) }
        try sleepThroughAFailover(cluster, network, keys)
    }

    /// n1 is asleep while it is cut off and replaced, and wakes up as a leader that has heard nothing of that.
    private func sleepThroughAFailover(_ cluster: TestCluster, _ network: NetworkNamespaces, _ keys: [String]) throws {
        for key in keys { XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/\(key)", body: [4]).status, 204) }
        try cluster.stopNow("n1")
        try network.cut(0)
        try cluster.wait(for: "the others to lead again") { try cluster.leads("n1", seenBy: "n2") == 0 }
        for key in keys { XCTAssertEqual(try cluster.http("n2", "PUT", "/v1/kv/\(key)", body: [5]).status, 204) }
        let connections = try keys.map { key in
            let connection = try cluster.connect("n1")
            connection.send("GET /v1/kv/\(key)?timeout=300ms HTTP/1.1\r\nHost: kv\r\n\r\n")
            return connection
        }
        cluster.signal(SIGCONT, "n1")
        for connection in connections { XCTAssertEqual(try connection.answer().status, 503, "an old value was read") }
        try network.heal(0)
        try cluster.waitUntilReady()
        for key in keys { XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/\(key)").body, [5]) }
    }
}
