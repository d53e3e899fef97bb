import KVAPI
import KVConfig
import KVCore
import KVStorage
import KVWire
import Logging
import NIOCore
import NIOPosix

/// One member of a cluster, from its topology to its end.
///
/// It owns everything: the event loops with a shard on each, the links to peers, the cluster machine's runner, and the
/// client listener.
final class Node: Sendable {
    /// The most time that leadership transfers may take when the node stops.
    private static let transferTime = TimeAmount.seconds(5)

    private let base: NodeBase
    private let status: NodeStatusBoard
    private let runners: [ShardRunner]
    private let cluster: ClusterRunner
    private let peers: PeerServer
    private let clientListener: ClientListener
    private let watch: DirectoryWatch
    private let memoryWatch: MemoryWatch

    /// Starts a node and returns when it listens.
    ///
    /// - Parameters:
    ///   - topology: the topology on disk, of which this node is a member.
    ///   - onStoreFailure: called when the store has failed. The process must end: nothing more may be acknowledged.
    ///   - onDeparture: called when the node is no longer a member and must be stopped.
    /// - Throws: `NodeError`
    static func start(
        _ base: NodeBase, topology: Topology, onStoreFailure: @escaping @Sendable (StoreError) -> Void,
        onDeparture: @escaping @Sendable (ClusterRunner.Departure) -> Void
    ) async throws -> Node {
        let member = try base.directory.member(in: topology, base.configuration)
        let assembly = Assembly(base, topology, member, onStoreFailure, onDeparture)
        return try await assembly.start()
    }

    fileprivate init(
        _ base: NodeBase, status: NodeStatusBoard, runners: [ShardRunner], cluster: ClusterRunner, peers: PeerServer,
        clientListener: ClientListener
    ) {
        self.base = base
        self.status = status
        self.runners = runners
        self.cluster = cluster
        self.peers = peers
        self.clientListener = clientListener
        memoryWatch = MemoryWatch(loop: base.clusterGroup.next(), pool: base.upkeepPool)
        watch = DirectoryWatch(
            base.directory, status: status, loop: base.clusterGroup.next(), pool: base.upkeepPool, reasons: base.reasons
        )
    }

    /// Has leaders answer reads in this way from now on.
    func setReads(_ mode: ReadMode) {
        for runner in runners { runner.loop.execute { runner.handle(.reads(mode)) } }
    }

    /// Why the node cannot serve; nil while it can.
    var obstacle: String? { status.obstacle }

    /// Transfers leaderships, finishes requests that are under way, syncs, and closes everything.
    func stop() async {
        base.logger.info("stopping: handing leaderships over")
        status.beginStopping()
        watch.stop()
        memoryWatch.stop()
        await clientListener.stopAccepting()
        await transferLeadership()
        await clientListener.drain()
        await clientListener.close()
        try? await cluster.loop.submit { [cluster] in cluster.stop() }.get()
        for runner in runners { try? await runner.loop.flatSubmit { runner.stop() }.get() }
        await peers.stop()
    }

    /// Returns when other nodes lead what this one led, or after `transferTime`.
    private func transferLeadership() async {
        let drained = runners.map { runner in
            let promise = runner.loop.makePromise(of: Void.self)
            runner.drain { promise.succeed() }
            return promise.futureResult
        }
        let loop = base.group.next()
        let done = loop.makePromise(of: Void.self)
        let timeout = loop.scheduleTask(in: Self.transferTime) { done.succeed() }
        EventLoopFuture.andAllComplete(drained, on: loop).whenComplete { _ in done.succeed() }
        try? await done.futureResult.get()
        timeout.cancel()
    }
}

/// The parts of a node before it listens.
private struct Assembly {
    let base: NodeBase
    let topology: Topology
    let identity: NodeIdentity
    let status: NodeStatusBoard
    let clock: NodeClock
    let runners: [ShardRunner]
    let linkOptions: PeerLinkOptions
    let policy: PolicyBox
    let onStoreFailure: @Sendable (StoreError) -> Void
    let onDeparture: @Sendable (ClusterRunner.Departure) -> Void

    init(
        _ base: NodeBase, _ topology: Topology, _ member: Member,
        _ onStoreFailure: @escaping @Sendable (StoreError) -> Void,
        _ onDeparture: @escaping @Sendable (ClusterRunner.Departure) -> Void
    ) {
        self.base = base
        self.topology = topology
        self.onStoreFailure = onStoreFailure
        self.onDeparture = onDeparture
        let identity = NodeIdentity(
            number: member.number, id: member.id, store: base.directory.store, boot: base.directory.boot)
        let limits = base.configuration.limits
        let stores = base.directory.stores
        for store in stores { store.begin(topology.slots) }
        let status = NodeStatusBoard(shards: stores.count, topology.slots)
        let clock = NodeClock(others: topology.members.map(\.number).filter { $0 != member.number })
        let loops = Array(base.group.makeIterator())
        var options = ShardOptions()
        if limits.moveRate > 0 { options.moveRate = max(limits.moveRate / stores.count, 1) }
        self.identity = identity
        self.status = status
        self.clock = clock
        // Two of the largest requests fit at a time: otherwise one could keep out all others, and itself.
        let largest = limits.key + limits.value
        let inFlight = max(limits.inFlight / stores.count, 2 * largest)
        linkOptions = PeerLinkOptions(largest: largest, inFlight: inFlight)
        policy = base.policy(member, topology)
        let shards = ShardMap(topology.settings, count: stores.count)
        runners = stores.indices.map { index in
            ShardRunner(
                index: index, of: stores.count, loop: loops[index % loops.count], node: identity, topology: topology,
                // The metadata quorum's partition, which comes after the last, is one of them.
                partitions: (topology.slots.partitions + [topology.metadataPartition])
                    .filter { shards.shard(of: $0) == index },
                store: stores[index], mayLackRecords: base.directory.mayLackRecords, options: options,
                maximumBytesInFlight: inFlight, status: status, clock: clock, commitPool: base.commitPool,
                readPool: base.readPool, upkeepPool: base.upkeepPool,
                logger: base.logger,
                onStoreFailure: onStoreFailure)
        }
    }

    func start() async throws -> Node {
        let peers = try await listenForPeers()
        do {
            let socket = try await openSocket(peers)
            let cluster = ClusterRunner(
                ClusterRunner.Parts(
                    configuration: base.configuration, loop: base.clusterGroup.next(), node: identity,
                    topology: topology, directory: base.directory,
                    runners: runners, clock: clock, policy: policy, peers: peers, socket: socket, pool: base.upkeepPool,
                    reasons: base.reasons, logger: base.logger, onStoreFailure: onStoreFailure,
                    onObstacle: { [status] in status.set($0, of: "failure detection") },
                    onFounding: { [status] in status.set($0, of: "founding") }, onDeparture: onDeparture))
            let clientListener = try await openListener(cluster, socket)
            for runner in runners {
                try await runner.loop.submit { start(runner, cluster) }.get()
            }
            try await cluster.loop.submit { cluster.start() }.get()
            base.logger.info(
                "serving",
                metadata: [
                    "node": "\(identity.id)", "cluster": "\(topology.settings.name)",
                    "client": "\(base.configuration.node.client)", "peer": "\(base.configuration.node.peer)",
                    "members": "\(topology.members.count)", "epoch": "\(topology.epoch)",
                    "data": "\(base.directory.path)",
                ])
            return Node(
                base, status: status, runners: runners, cluster: cluster, peers: peers, clientListener: clientListener)
        } catch {
            await peers.stop()
            throw error
        }
    }

    private func listenForPeers() async throws -> PeerServer {
        let router = PeerRouter(runners: runners, ShardMap(topology.settings, count: runners.count))
        let first = runners[0]
        do {
            return try await PeerServer.start(
                on: base.configuration.node.peer, group: base.group, policy: policy, reasons: base.reasons,
                logger: base.logger,
                connected: { introduction in first.loop.execute { first.cluster?.met(introduction) } },
                reading: router.reading, deliver: router.deliver)
        } catch {
            throw NodeError(.unavailable, "\(error)")
        }
    }

    private func openSocket(_ peers: PeerServer) async throws -> GossipSocket {
        var address = base.configuration.node.peer
        address.port = peers.port ?? address.port
        return try await GossipSocket.open(
            on: address, loop: base.clusterGroup.next(), clusterID: topology.clusterID, me: identity.number,
            secret: base.configuration.secret, pool: base.namePool, reasons: base.reasons)
    }

    private func openListener(_ cluster: ClusterRunner, _ socket: GossipSocket) async throws -> ClientListener {
        let backend = NodeBackend(
            node: identity, settings: topology.settings,
            limits: RequestLimits(key: base.limits.key, value: base.limits.value), runners: runners, cluster: cluster,
            status: status)
        do {
            return try await ClientListener.open(
                base.configuration.node.client, group: base.group, backend: backend,
                facts: base.facts, redis: base.configuration.redis, replies: base.configuration.limits.replies,
                wallClock: { [clock] in clock.wall }, reasons: base.reasons, logger: base.logger)
        } catch {
            socket.stop()
            throw error
        }
    }

    private func start(_ runner: ShardRunner, _ cluster: ClusterRunner) {
        let links = PeerLinks(
            of: identity.number, shard: ShardPosition(index: runner.index, count: runners.count), on: runner.loop,
            policy: policy, options: linkOptions, reasons: base.reasons, logger: base.logger,
            events: PeerLinks.Events(
                up: { runner.linkUp($0, $1) }, down: { runner.linkDown($0) },
                refused: { [weak cluster] in cluster?.refused($0) }))
        runner.onComplete = { [base, onStoreFailure] in
            base.upkeepPool.submit { state in
                guard state == .active else { return }
                do throws(StoreError) {
                    guard try base.directory.noteComplete(shard: runner.index) else { return }
                } catch {
                    return onStoreFailure(error)
                }
                base.logger.notice("all copies hold again what this node has acknowledged")
            }
        }
        runner.start(
            links: links, cluster: cluster, topology: topology, runners: runners,
            reads: base.configuration.reads, isAbstaining: base.directory.isFounding)
    }
}
