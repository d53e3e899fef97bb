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

    private func client(_ view: ClusterView, namesReplicas: Bool = false) throws -> RESPTestClient {
        let backend = FakeBackend()
        backend.cluster = view
        return try RESPTestClient(backend, namesReplicas: namesReplicas)
    }

    /// Clients of some languages ask for it at every request that they serve.
    func testSlotsAreFewBytes() throws {
        for (nodes, replicas, partitions) in [(3, 3, 1024), (3, 3, 16384), (5, 3, 1024), (5, 3, 16384)] {
            let view = view(nodes: nodes, replicas: replicas, partitions: partitions)
            for (namesReplicas, limit) in [(false, 10_000), (true, nodes == 3 ? 10_000 : 40_000)] {
                let bytes = try client(view, namesReplicas: namesReplicas).exchange("cluster slots").utf8.count
                XCTAssertLessThan(bytes, limit, "\(nodes) nodes, \(partitions) partitions, replicas: \(namesReplicas)")
            }
        }
    }

    func testTheOrderOfReplicasSplitsNoRange() {
        var view = view(nodes: 3, replicas: 3, partitions: 4)
        let nodes = view.topology.members.map(\.number)
        for index in 0..<4 {
            let followers = index % 2 == 0 ? [nodes[1], nodes[2]] : [nodes[2], nodes[1]]
            view.topology.assignments[index].replicas = [nodes[0]] + followers
        }
        view.leaders = Array(repeating: nodes[0], count: 4)
        let entries = slots(view, namesReplicas: true)
        XCTAssertEqual(entries.map(\.slots), [0...0, 1...16382, 16383...16383])
        XCTAssertEqual(entries.map(\.ports), [[7401], [7401, 7402, 7403], [7401]])
    }

    // MARK: Masters and replicas

    /// What CLUSTER SLOTS tells: ranges, each with the ports of its nodes, the master's first.
    private func slots(_ view: ClusterView, namesReplicas: Bool) -> [(slots: ClosedRange<Int64>, ports: [Int64])] {
        guard case .array(let entries) = ClusterMap(view, namesReplicas: namesReplicas).slots else { return [] }
        return entries.map { entry in
            guard case .array(let parts) = entry, case .integer(let first) = parts[0],
                case .integer(let last) = parts[1]
            else { return (0...0, []) }
            let ports: [Int64] = parts.dropFirst(2).map { part in
                guard case .array(let node) = part, case .integer(let port) = node[1] else { return 0 }
                return port
            }
            return (first...last, ports)
        }
    }

    private func assertWhole(_ entries: [(slots: ClosedRange<Int64>, ports: [Int64])]) {
        XCTAssertEqual(entries.flatMap { Array($0.slots) }.sorted(), Array(0..<16384))
    }

    func testEveryNodeIsAMasterAndNoneAReplica() throws {
        let view = view(nodes: 5, replicas: 3, partitions: 64)
        let entries = slots(view, namesReplicas: false)
        assertWhole(entries)
        XCTAssertTrue(entries.allSatisfy { $0.ports.count == 1 })
        XCTAssertEqual(Set(entries.flatMap(\.ports)), Set(7401...7405))
        let client = try client(view)
        let shards = client.exchange("cluster shards")
        XCTAssertTrue(shards.hasPrefix("*5\r\n"), "a shard for each node")
        XCTAssertFalse(shards.contains("replica\r\n"))
        XCTAssertFalse(client.exchange("cluster nodes").contains("slave"))
    }

    /// What a node is in the range that names it first, and in the one that names it last, is a master.
    func testReplicasAreNamedWhereTheyAreAskedFor() throws {
        for (nodes, partitions) in [(1, 64), (3, 1), (3, 64), (3, 16384), (5, 16384)] {
            let view = view(nodes: nodes, replicas: 3, partitions: partitions)
            let entries = slots(view, namesReplicas: true)
            assertWhole(entries)
            for port in Set(entries.flatMap(\.ports)) where entries.contains(where: { $0.ports[0] == port }) {
                XCTAssertEqual(entries.first { $0.ports.contains(port) }?.ports, [port])
                XCTAssertEqual(entries.last { $0.ports.contains(port) }?.ports.first, port)
            }
            let named = entries.filter { $0.ports.count == min(nodes, 3) }.reduce(0) { $0 + $1.slots.count }
            XCTAssertGreaterThanOrEqual(named, 16384 - 2 * nodes)
        }
        let shards = try client(view(nodes: 3, replicas: 3, partitions: 64), namesReplicas: true)
            .exchange("cluster shards")
        XCTAssertEqual(shards.components(separatedBy: "replica\r\n").count - 1, 6)
    }

    func testEveryPartitionIsInOneShare() {
        var view = view(nodes: 5, replicas: 3, partitions: 256)
        view.leaders = (0..<250).map { index in
            switch index % 4 {
            case 0: nil
            // Removed meanwhile.
            case 1: NodeNumber(99)
            case 2: view.topology.assignments[index].replicas[1]
            default: view.topology.assignments[index].replicas[0]
            }
        }
        let shares = view.topology.members.map { view.share(of: $0.number) }
        for raw in 0..<UInt16(Slot.count) {
            XCTAssertEqual(shares.count { $0.contains(Slot(raw)) }, 1, "\(raw)")
        }
        XCTAssertTrue(shares.allSatisfy { $0.first(from: Slot(0)) != nil })
    }
}
