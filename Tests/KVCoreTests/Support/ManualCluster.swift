import KVCore
import XCTest

/// Several nodes with one partition, which a test may split. Its replicas are the nodes 1 to 3 at first. Messages are
/// delivered at once and in the order in which they were sent, except to and from isolated nodes. Appends become
/// durable before the next message.
final class ManualCluster {
    private(set) var nodes: [UInt16: ManualNode] = [:]
    private let options: ShardOptions
    /// The nodes that no message reaches or leaves.
    private(set) var isolated: Set<UInt16> = []
    /// The messages that were delivered since the test last cleared this.
    var delivered: [PeerMessage] = []

    /// The partition's newest configuration. Some nodes may not have heard of it.
    private(set) var assignment = Assignment(replicas: [1, 2, 3].map(NodeNumber.init), changed: 1)
    /// The number of partitions by the newest configuration.
    private(set) var partitions = 1

    init(
        _ stores: [UInt16: ManualStore] = [:], nodes count: UInt16 = 3, options: ShardOptions = ShardOptions(),
        isolated: Set<UInt16> = []
    ) {
        self.isolated = isolated
        self.options = options
        for number in 1...count {
            nodes[number] = ManualNode(
                number, store: stores[number] ?? ManualStore(membership: number <= 3 ? 1 : 0), options: options)
        }
        for node in nodes.values where !isolated.contains(node.number.raw) {
            for other in nodes.keys where other != node.number.raw && !isolated.contains(other) { node.up(other) }
        }
    }

    subscript(_ number: UInt16) -> ManualNode {
        // swift-format-ignore: NeverForceUnwrap
        nodes[number]!
    }

    private var inOrder: [ManualNode] { nodes.keys.sorted().map { self[$0] } }

    /// Delivers messages until there are none left.
    func run() {
        var steps = 0
        while true {
            var isQuiet = true
            for node in inOrder {
                node.sync()
                node.completeLoads()
                let sent = node.sent
                node.forgetSent()
                for sent in sent {
                    isQuiet = false
                    guard !isolated.contains(node.number.raw), !isolated.contains(sent.to.raw) else { continue }
                    delivered.append(sent.message)
                    self[sent.to.raw].receive(sent.message, from: node.number.raw)
                }
            }
            if isQuiet { return }
            steps += 1
            guard steps < 10_000 else { return XCTFail("the messages never end") }
        }
    }

    /// Changes the partition's configuration. Nodes that are not told have to hear of it from others.
    func change(to replicas: [UInt16], next: [UInt16]? = nil, telling: [UInt16]? = nil) {
        assignment = assignment.changing(
            to: replicas.map(NodeNumber.init), next: next?.map(NodeNumber.init), at: assignment.changed + 1)
        for node in inOrder where telling?.contains(node.number.raw) ?? true { tell(node.number.raw) }
    }

    /// Splits the partition until there are so many.
    func split(to partitions: Int, telling: [UInt16]? = nil) {
        self.partitions = partitions
        change(to: assignment.replicas.map(\.raw), next: assignment.next?.map(\.raw), telling: telling)
    }

    func tell(_ number: UInt16) {
        self[number].give(.topology(ManualNode.topology(assignment, partitions: partitions)))
    }

    /// The leader's report of the partition's move; nil if it does not move.
    var move: MoveReport? { inOrder.flatMap { $0.shard.moveReports() }.first }

    /// Lets time pass on all nodes, a timer at a time, and delivers messages after each.
    func pass(_ milliseconds: UInt64) {
        for _ in 0..<(milliseconds + 9) / 10 {
            for node in inOrder { node.pass(10) }
            run()
        }
    }

    /// Isolates a node. All nodes notice at once.
    func isolate(_ number: UInt16) {
        isolated.insert(number)
        for other in inOrder where other.number.raw != number {
            other.down(number)
            self[number].down(other.number.raw)
        }
    }

    /// Lets a node's machine lose power and start again with `store`, which has the records that were synced.
    func losePower(_ number: UInt16, leaving store: ManualStore, boot: UInt64 = 2) {
        isolate(number)
        nodes[number] = ManualNode(
            number, store: store, options: options, boot: boot, mayLackRecords: true, now: self[number].now)
        rejoin(number, boot: boot, isNew: true)
    }

    /// Ends a node's isolation. With another boot counter, its process restarts with the same store.
    func rejoin(_ number: UInt16, boot: UInt64 = 1, isNew: Bool = false) {
        isolated.remove(number)
        if boot != 1, !isNew {
            nodes[number] = ManualNode(number, store: self[number].store, boot: boot, now: self[number].now)
        }
        for other in inOrder where other.number.raw != number {
            other.up(number, boot: boot)
            self[number].up(other.number.raw)
        }
    }

    var leaders: [UInt16] { inOrder.filter(\.leads).map(\.number.raw) }

    /// The nodes that lead a partition, each by its own account.
    func leaders(of partition: PartitionID) -> [UInt16] {
        inOrder.filter { $0.shard.leader(of: partition) == $0.number }.map(\.number.raw)
    }

    func assertLevel(file: StaticString = #filePath, line: UInt = #line) {
        let members = inOrder.filter { assignment.members.contains($0.number) }
        for partition in SlotMap(founding: 1, count: partitions)?.partitions.map({ $0 }) ?? [] {
            let roots = members.map { $0.store.tree(partition).root }
            XCTAssertEqual(Set(roots).count, 1, "all replicas hold the same", file: file, line: line)
        }
    }
}
