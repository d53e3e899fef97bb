import Foundation
import KVCore
import XCTest

/// Tests firewalls that come up between healthy nodes.
final class FirewallTests: XCTestCase {
    private func make(_ network: NetworkNamespaces) throws -> TestCluster {
        let cluster = try TestCluster(hosts: network.hosts, settings: "failure: {probe_interval: 200ms}\n")
        cluster.launcher = network.launcher
        cluster.connector = { node in
            try inNamespace(network.name(of: node)) { try RawConnection(node.client) }
        }
        return cluster
    }

    func testWithoutDatagramsTheClusterServes() throws {
        let network = try NetworkNamespaces(3)
        let cluster = try make(network)
        for index in 0..<3 { try network.drop("meta l4proto udp", at: index) }
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        // Several times longer than it takes to hold somebody dead.
        let end = Time.now + 4
        var number = 0
        while Time.now < end {
            number += 1
            let put = try cluster.http("n\(number % 3 + 1)", "PUT", "/v1/kv/k\(number)?timeout=1s", body: [1])
            XCTAssertEqual(put.status, 204, put.text)
        }
        for id in ["n1", "n2", "n3"] {
            XCTAssertEqual(try cluster.ring(id).nodes.map(\.state), ["alive", "alive", "alive"])
            XCTAssertTrue(
                cluster.log(id).contains("does not answer datagrams: let UDP as well as TCP pass"), cluster.log(id))
            XCTAssertEqual(try cluster.http(id, "GET", "/health/ready").status, 200)
        }
        // The death of a node is still noticed.
        cluster.killNow("n1")
        let killed = Time.now
        for number in 0..<20 {
            try cluster.wait(for: "k\(number) to be writable") {
                try cluster.http("n2", "PUT", "/v1/kv/k\(number)?timeout=500ms", body: [2]).status == 204
            }
        }
        XCTAssertLessThan(Time.now - killed, 4)
    }

    func testALeaderThatNobodyCanConnectToGivesUpTheLead() throws {
        let network = try NetworkNamespaces(3)
        let cluster = try make(network)
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let keys = try cluster.keys(ledBy: "n1", count: 6)
        for key in keys { XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/\(key)", body: [1]).status, 204) }

        // Its own connections stand, and datagrams pass.
        try network.drop("tcp dport \(try cluster.node("n1").peer.port)", at: 0)
        let onset = Time.now
        for (index, key) in keys.enumerated() {
            try cluster.wait(for: "\(key) to be writable") {
                let node = ["n2", "n3"][index % 2]
                return try cluster.http(node, "PUT", "/v1/kv/\(key)?timeout=500ms", body: [2]).status == 204
            }
        }
        let taken = Time.now - onset
        print("written again \(taken) s after nobody could connect to the leader")
        XCTAssertLessThan(taken, 4)
        try cluster.wait(for: "n1 to say that it cannot serve") {
            try cluster.http("n1", "GET", "/health/ready").status == 503
        }
        XCTAssertTrue(cluster.log("n1").contains("let TCP pass from it to this node's peer address"), cluster.log("n1"))
        for key in keys {
            let put = try cluster.http("n1", "PUT", "/v1/kv/\(key)?timeout=300ms", body: [3])
            XCTAssertEqual(put.status, 503, put.text)
            XCTAssertTrue(put.message.contains("nothing was changed"), put.message)
        }
        try network.lift(at: 0)
        try cluster.waitUntilReady()
        for key in keys { XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/\(key)").body, [2]) }
    }

    func testTwoThatDoNotReachEachOtherServeAllKeys() throws {
        let network = try NetworkNamespaces(3)
        let cluster = try make(network)
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let keys = try cluster.keys(ledBy: "n1", count: 4) + cluster.keys(ledBy: "n2", count: 4)
        try network.drop("ip saddr \(network.hosts[1])", at: 0)
        try network.drop("ip saddr \(network.hosts[0])", at: 1)
        let onset = Time.now
        for id in ["n1", "n2", "n3"] {
            for key in keys {
                try cluster.wait(for: "\(key) to be writable through \(id)") {
                    try cluster.http(id, "PUT", "/v1/kv/\(key)?timeout=1s", body: Array(id.utf8)).status == 204
                }
                XCTAssertEqual(try cluster.http(id, "GET", "/v1/kv/\(key)?timeout=1s").text, id)
            }
        }
        let taken = Time.now - onset
        print("all keys written through all nodes \(taken) s after two of them lost each other")
        XCTAssertLessThan(taken, 8)
        usleep(2_000_000)
        // And so it stays, for as long as it lasts.
        for (index, key) in keys.enumerated() {
            let id = ["n1", "n2"][index % 2]
            XCTAssertEqual(try cluster.http(id, "PUT", "/v1/kv/\(key)?timeout=1s", body: [7]).status, 204)
            XCTAssertEqual(try cluster.http(id, "GET", "/v1/kv/\(key)?timeout=1s").body, [7])
        }
        try network.lift(at: 0)
        try network.lift(at: 1)
        try cluster.waitUntilReady()
        try cluster.waitUntilBalanced()
    }
}
