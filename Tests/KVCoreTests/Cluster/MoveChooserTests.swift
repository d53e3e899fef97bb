import XCTest

@testable import KVCore

/// Tests how many moves are begun at a time, and which.
final class MoveChooserTests: XCTestCase {
    private let partitions = 4096

    /// Three members, and n4, which is to hold a third of each partition.
    private func topology() -> Topology {
        var members = (1...4).map { Member($0) }
        members[3].status = .joining
        var topology = Topology.initial(
            clusterID: UUID128(high: 7, low: 7),
            settings: ClusterSettings(name: "test", partitions: partitions, replicas: 3),
            members: Array(members.prefix(3)))
        topology.members = members
        topology.epoch = 2
        topology.lastNumber = NodeNumber(4)
        topology.plan = ChangePlan(
            id: 2, reason: .operatorAsked,
            targets: topology.assignments.enumerated().map { index, assignment in
                var replicas = assignment.replicas
                replicas[index % 3] = NodeNumber(4)
                return ChangePlan.Target(partition: PartitionID(UInt16(index)), replicas: replicas)
            }, moves: partitions, minimum: partitions, bytes: 0)
        return topology
    }

    /// - Parameter bytes: the size of a partition; nil where nothing has been heard of it.
    private func ledger(_ topology: Topology, _ bytes: (Int) -> UInt64?) -> RebalanceProgress {
        var ledger = RebalanceProgress(topology.slots)
        let sizes = (0..<partitions).compactMap { index in
            bytes(index).map { PartitionSize(partition: PartitionID(UInt16(index)), bytes: $0) }
        }
        ledger.note(
            NodeReport(epoch: 2, store: UUID128(high: 1, low: 1), partitions: sizes, moves: []), in: topology,
            now: Instant(nanoseconds: 1))
        return ledger
    }

    private func chosen(
        _ topology: Topology, options: ClusterOptions = ClusterOptions(), _ bytes: (Int) -> UInt64?
    ) -> [Int] {
        var chooser = MoveChooser(topology, options: options, ledger: ledger(topology, bytes)) { _ in true }
        return chooser?.choose().map { Int($0.partition.raw) } ?? []
    }

    func testAsManyAsTheirBytesAllow() {
        let topology = topology()
        XCTAssertEqual(chosen(topology) { _ in 0 }.count, 1024, "nothing is to be copied")
        XCTAssertEqual(chosen(topology) { _ in 64 << 10 }.count, 1024)
        XCTAssertEqual(chosen(topology) { _ in 128 << 10 }.count, 512)
        XCTAssertEqual(chosen(topology) { _ in 1 << 20 }.count, 64)
        XCTAssertEqual(chosen(topology) { _ in 1 << 40 }.count, 64, "the largest can move, too")
        XCTAssertEqual(chosen(topology) { _ in nil }.count, 64, "nobody has said how large they are")
    }

    func testSmallMovesDoNotPassALargeOneThatWaitsForRoom() {
        let large = Set(stride(from: 0, to: partitions, by: 8))
        let chosen = chosen(topology()) { large.contains($0) ? 1 << 30 : 0 }
        let share = Double(chosen.count(where: large.contains)) / Double(chosen.count)
        XCTAssertEqual(share, 0.125, accuracy: 0.01, "in their turn")
    }

    func testMovesUnderWayCount() {
        var topology = topology()
        for target in topology.plan?.targets.prefix(1000) ?? [] {
            let index = Int(target.partition.raw)
            topology.assignments[index] = topology.assignments[index].changing(
                to: topology.assignments[index].replicas, next: target.replicas, at: 2)
        }
        XCTAssertEqual(chosen(topology) { _ in 0 }.count, 24)
        XCTAssertEqual(chosen(topology) { _ in 1 << 20 }.count, 0)
    }

    func testNodesAreBurdenedEvenlyAndEachOrderIsTheSame() {
        let topology = topology()
        let first = chosen(topology) { _ in 0 }
        let senders = Dictionary(grouping: first) { topology.assignments[$0].replicas[0] }.mapValues(\.count)
        XCTAssertEqual(senders.count, 3)
        for count in senders.values { XCTAssertEqual(count, 1024 / 3, accuracy: 1) }
        XCTAssertEqual(first, chosen(topology) { _ in 0 })
    }

    func testARateLimitsWhatEachNodeSends() {
        var topology = topology()
        topology.plan?.bytes = UInt64(partitions) << 20
        var options = ClusterOptions()
        options.moveRate = 5 << 20
        XCTAssertEqual(
            chosen(topology, options: options) { _ in 1 << 20 }.count, 30, "two seconds' worth of three nodes")
    }
}
