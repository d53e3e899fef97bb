import KVCore
import XCTest

@testable import KVAPI

/// The cluster as cluster clients are told of it.
final class ClusterMapTests: XCTestCase {
    private func view(nodes: Int, replicas: Int, partitions: Int) -> ClusterView {
        let members = (1...nodes).map { number in
            Member(
                number: NodeNumber(UInt16(number)), id: "n\(number)",
                client: Address(host: "kv-\(number).example.org", port: 7400 + number),
                peer: Address(host: "kv-\(number).example.org", port: 7500 + number), zone: "", weight: 1)
        }
        let settings = ClusterSettings(name: "demo", partitions: partitions, replicas: replicas)
        let topology = Topology.initial(clusterID: UUID128(high: 1, low: 2), settings: settings, members: members)
        return ClusterView(
            topology: topology,
            nodes: members.map { NodeView(number: $0.number, state: .alive, usage: nil) },
            leaders: topology.assignments.map(\.replicas.first))
    }

    private func door(_ view: ClusterView, redirects: Bool = false) throws -> RespTestDoor {
        let backend = FakeBackend()
        backend.cluster = view
        return try RespTestDoor(backend, redirects: redirects)
    }

    /// Clients of some languages ask for it at every request that they serve.
    func testSlotsAreFewBytes() throws {
        for (nodes, replicas, partitions, limit) in [
            (3, 3, 1024, 10_000), (3, 3, 16384, 10_000), (5, 3, 1024, 40_000), (5, 3, 16384, 40_000),
        ] {
            for redirects in [false, true] {
                let view = view(nodes: nodes, replicas: replicas, partitions: partitions)
                let bytes = try door(view, redirects: redirects).exchange("cluster slots").utf8.count
                print("\(nodes) nodes, \(replicas) replicas, \(partitions) partitions: \(bytes) bytes")
                XCTAssertLessThan(bytes, limit)
            }
        }
    }

    func testTheOrderOfReplicasSplitsNoRange() throws {
        var view = view(nodes: 3, replicas: 3, partitions: 4)
        let nodes = view.topology.members.map(\.number)
        for index in 0..<4 {
            let followers = index % 2 == 0 ? [nodes[1], nodes[2]] : [nodes[2], nodes[1]]
            view.topology.assignments[index].replicas = [nodes[0]] + followers
        }
        view.leaders = Array(repeating: nodes[0], count: 4)
        XCTAssertTrue(try door(view).exchange("cluster slots").hasPrefix("*1\r\n*5\r\n:0\r\n:16383\r\n"))
    }
}
