import Foundation
import KVClient
import KVCore
import XCTest

/// Tests that a partition that everybody asks for is found.
final class NodeLoadTests: XCTestCase {
    func testAHotKeyShowsItsPartitionItsNodeAndItsShard() throws {
        let cluster = try TestCluster(settings: "storage: {shards: 2, sync: never}\n")
        try cluster.startAndWait()
        let hot = try XCTUnwrap(try cluster.keys(ledBy: "n2", count: 1).first)
        let partition = Int(SlotMap(founding: 64).partition(of: Key(hot).slot).raw)
        let ids = ["n1", "n2", "n3"]
        let asked = try ids.map { id in
            let connection = try cluster.connect(id)
            connection.sendRequest("GET", "/v1/load?over=1s")
            return connection
        }
        // Through the leader and through another node.
        let clients = try ["n1", "n2"].map(cluster.connect)
        let end = Time.now + 1.2
        while Time.now < end {
            for client in clients {
                XCTAssertEqual(try client.request("PUT", "/v1/kv/\(hot)", body: Array("value".utf8)).status, 204)
                for _ in 0..<3 { XCTAssertEqual(try client.request("GET", "/v1/kv/\(hot)").status, 200) }
            }
        }
        let loads = try asked.map { try JSONDecoder().decode(LoadStatus.self, from: Data(try $0.answer().body)) }
        XCTAssertEqual(loads.map(\.node), ids)
        for load in loads {
            XCTAssertGreaterThanOrEqual(load.milliseconds, 1000)
            XCTAssertEqual(load.shards.map(\.partitions), [32, 32])
            XCTAssertEqual(load.busiest.map(\.partition), load.node == "n2" ? [partition] : [], "\(load)")
            XCTAssertEqual(load.shards[partition % 2].copies > 0, load.node != "n2", "\(load)")
            XCTAssertEqual(load.shards[1 - partition % 2].copies, 0, "\(load)")
        }
        let busiest = try XCTUnwrap(loads[1].busiest.first)
        XCTAssertEqual(busiest.leader, "n2")
        XCTAssertEqual(busiest.shard, partition % 2)
        XCTAssertEqual(busiest.keys, 1)
        XCTAssertGreaterThan(busiest.reads, busiest.writes)
        XCTAssertGreaterThan(busiest.writes, 0)
        XCTAssertEqual(loads[1].shards[partition % 2].reads, busiest.reads)
        XCTAssertEqual(loads[1].shards[1 - partition % 2].reads, 0)

        let table = try cluster.kv("ring", "--load", "--over", "100ms")
        XCTAssertEqual(table.status, 0, table.errors)
        let lines = table.text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        XCTAssertEqual(lines.dropFirst().prefix(6).map(\.first), ["n1", "n1", "n2", "n2", "n3", "n3"], table.text)
        XCTAssertTrue(table.text.contains("no requests about keys came meanwhile"), table.text)
    }

    func testANodeMeasuresForSoManyAtATime() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        try cluster.startAndWait()
        let connections = try (0..<9).map { _ in try cluster.connect("n1") }
        for connection in connections { connection.sendRequest("GET", "/v1/load?over=1s") }
        let statuses = try connections.map { try $0.answer().status }
        XCTAssertEqual(statuses.count { $0 == 200 }, 8, "\(statuses)")
        XCTAssertEqual(statuses.count { $0 == 429 }, 1, "\(statuses)")
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/load?over=100ms").status, 200, "there is room again")
    }
}
