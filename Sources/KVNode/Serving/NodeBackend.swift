import KVAPI
import KVCore
import NIOCore

/// The node behind the doors: finds the shard of each request, and gathers what is spread over shards and partitions.
final class NodeBackend: Backend {
    let nodeID: String
    let settings: ClusterSettings
    let limits: RequestLimits
    private let node: NodeIdentity
    private let topology: Topology
    private let runners: [ShardRunner]
    private let status: NodeStatus

    init(
        node: NodeIdentity, topology: Topology, limits: RequestLimits, runners: [ShardRunner], status: NodeStatus
    ) {
        nodeID = node.id
        settings = topology.settings
        self.limits = limits
        self.node = node
        self.topology = topology
        self.runners = runners
        self.status = status
    }

    var health: Health { status.obstacle.map(Health.notReady) ?? .ready }

    func execute(
        _ command: Command, key: Key, options: RequestOptions, on loop: any EventLoop,
        reply: @escaping @Sendable (Reply) -> Void
    ) {
        let partition = PartitionID(slot: key.slot, partitions: settings.partitions)
        execute(command, key: key, partition: partition, options: options, on: loop, reply: reply)
    }

    func execute(
        _ command: Command, key: Key, partition: PartitionID, options: RequestOptions, on loop: any EventLoop,
        reply: @escaping @Sendable (Reply) -> Void
    ) {
        let runner = runners[Int(partition.raw) % runners.count]
        if runner.loop.inEventLoop {
            runner.submit(command, key: key, partition: partition, options: options, on: loop, reply: reply)
        } else {
            runner.loop.execute {
                runner.submit(command, key: key, partition: partition, options: options, on: loop, reply: reply)
            }
        }
    }

    func list(
        _ query: ListRequest, on loop: any EventLoop,
        reply: @escaping @Sendable (Result<ListReply, ListFailure>) -> Void
    ) {
        if loop.inEventLoop {
            ListScan(query, backend: self, loop: loop, reply: reply).start()
        } else {
            loop.execute { ListScan(query, backend: self, loop: loop, reply: reply).start() }
        }
    }

    func view(on loop: any EventLoop, reply: @escaping @Sendable (ClusterView) -> Void) {
        let snapshots = runners.map { runner in runner.loop.submit { runner.snapshot() } }
        EventLoopFuture.whenAllSucceed(snapshots, on: loop).whenSuccess { [self] in reply(view($0)) }
    }

    private func view(_ snapshots: [ShardRunner.Snapshot]) -> ClusterView {
        var leaders: [NodeNumber?] = Array(repeating: nil, count: topology.assignments.count)
        for snapshot in snapshots {
            for (partition, leader) in snapshot.leaders { leaders[Int(partition.raw)] = leader }
        }
        let nodes = topology.members.map { member in
            let isAlive = snapshots.allSatisfy { $0.alive[member.number] ?? false }
            let usage = member.number == node.number ? status.usage : snapshots.first?.usages[member.number]
            return NodeView(number: member.number, state: isAlive ? .alive : .suspect, usage: usage)
        }
        return ClusterView(topology: topology, nodes: nodes, leaders: leaders)
    }
}
