import KVAPI
import KVCore
import NIOCore
import Synchronization

/// The node behind the listeners: finds the shard of each request, and collects what is spread over shards and
/// partitions.
final class NodeBackend: Backend {
    let nodeID: String
    let settings: ClusterSettings?
    let limits: RequestLimits
    let foundingSlots: SlotMap
    var slots: NodeSlots { NodeSlots(shards, status.slots) }
    private let node: NodeIdentity
    private let runners: [ShardRunner]
    private let shards: ShardMap
    private let cluster: ClusterRunner
    private let status: NodeStatusBoard
    /// The number of measurements of the load that are under way.
    private let measurements = Mutex(0)

    init(
        node: NodeIdentity, settings: ClusterSettings, limits: RequestLimits, runners: [ShardRunner],
        cluster: ClusterRunner, status: NodeStatusBoard
    ) {
        nodeID = node.id
        self.settings = settings
        self.limits = limits
        foundingSlots = settings.foundingSlots
        shards = ShardMap(settings, count: runners.count)
        self.node = node
        self.runners = runners
        self.cluster = cluster
        self.status = status
    }

    var health: Health {
        if let obstacle = status.obstacle { return .notReady(obstacle) }
        return status.warning.map(Health.warned) ?? .ready
    }
    var usage: NodeUsage { NodeUsage(holding: status.usage ?? PartitionUsage(), disk: status.disk) }

    func execute(_ request: Request) {
        let runner = runners[shards.shard(of: request.partition)]
        let caller = request.eventLoopCaller
        // This runs on the caller's loop.
        if runner.loopID == caller.loopID {
            runner.submit(request)
        } else if let home = home(of: caller) {
            home.submit(request, to: runner)
        } else {
            runner.loop.execute { runner.takeOver([request]) }
        }
    }

    func execute(_ requests: [Request]) {
        guard requests.count > 1, let home = home(of: requests[0].eventLoopCaller) else {
            for request in requests { execute(request) }
            return
        }
        if runners.count > 1 {
            for request in requests {
                let shard = shards.shard(of: request.partition)
                if shard != home.index { home.submit(request, to: runners[shard]) }
            }
        }
        home.take(requests, shards)
    }

    /// The shard on the caller's loop; nil if the loop has none.
    private func home(of caller: Caller) -> ShardRunner? {
        runners.first { $0.loopID == caller.loopID }
    }

    func count(
        _ scope: KeyScope, timeout: Nanoseconds, on loop: any EventLoop,
        reply: @escaping @Sendable (Result<Int, ListFailure>) -> Void
    ) {
        let count = KeyCount(scope, backend: self, timeout: timeout, loop: loop, reply: reply)
        loop.inEventLoop ? count.start() : loop.execute { count.start() }
    }

    func list(
        _ query: ListRequest, on loop: any EventLoop,
        reply: @escaping @Sendable (Result<ListReply, ListFailure>) -> Void
    ) {
        let scan = ListScan(query, backend: self, loop: loop, reply: reply)
        loop.inEventLoop ? scan.start() : loop.execute { scan.start() }
    }

    func control(
        _ request: ControlRequest, timeout: Nanoseconds, on loop: any EventLoop,
        reply: @escaping @Sendable (ControlReply) -> Void
    ) {
        cluster.loop.execute { [cluster] in cluster.control(request, timeout: timeout, on: loop, reply: reply) }
    }

    func load(
        over span: Nanoseconds, on loop: any EventLoop, reply: @escaping @Sendable (LoadReply) -> Void
    ) {
        let isOne = measurements.withLock { count in
            guard count < NodeLoad.maximumMeasurements else { return false }
            count += 1
            return true
        }
        guard isOne else { return loop.execute { reply(.tooMany) } }
        let samples = runners.map { runner in runner.loop.submit { runner.sampleServed() } }
        EventLoopFuture.whenAllSucceed(samples, on: loop).flatMap { samples in
            loop.scheduleTask(in: .nanoseconds(Int64(clamping: span.nanoseconds))) { samples }.futureResult
        }.flatMap { [runners] samples in
            EventLoopFuture.whenAllSucceed(
                zip(runners, samples).map { runner, sample in runner.loop.submit { runner.load(since: sample) } },
                on: loop)
        }.whenComplete { [self] result in
            measurements.withLock { $0 -= 1 }
            switch result {
            case .success(let parts):
                reply(.load(NodeLoad(shards: parts.map(\.load), partitions: parts.flatMap(\.busiest))))
            // The loops are being shut down.
            case .failure: reply(.refused(.stopping))
            }
        }
    }

    func view(on loop: any EventLoop, reply: @escaping @Sendable (ClusterView?) -> Void) {
        let snapshots = runners.map { runner in runner.loop.submit { runner.snapshot() } }
        let members = cluster.loop.submit { [cluster] in cluster.snapshot() }
        EventLoopFuture.whenAllSucceed(snapshots, on: loop).and(members).whenSuccess { [self] in reply(view($0, $1)) }
    }

    private func view(_ snapshots: [ShardRunner.Snapshot], _ cluster: ClusterRunner.Snapshot) -> ClusterView {
        let topology = cluster.topology
        var leaders: [NodeNumber?] = Array(repeating: nil, count: topology.assignments.count)
        var coordinator: NodeNumber?
        for (partition, leader) in snapshots.lazy.flatMap(\.leaders) {
            if partition == topology.metadataPartition {
                coordinator = leader
            } else if let place = topology.slots.place(of: partition), place < leaders.count {
                leaders[place] = leader
            }
        }
        let nodes = topology.members.map { member in
            NodeView(
                number: member.number, state: cluster.liveness[member.number] ?? .alive,
                usage: member.number == node.number ? status.usage : snapshots.first?.usages[member.number])
        }
        return ClusterView(
            topology: topology, nodes: nodes, leaders: leaders, pendingNodes: cluster.pendingNodes, plan: cluster.plan,
            coordinator: coordinator)
    }
}
