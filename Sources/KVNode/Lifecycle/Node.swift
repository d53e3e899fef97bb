import KVAPI
import KVConfig
import KVCore
import KVStorage
import KVWire
import Logging
import NIOCore
import NIOPosix

/// One node of a cluster, from its configuration to its end.
///
/// Owns everything: the data directory, the event loops with a shard on each, the links to peers, and the client door.
public final class Node: Sendable {
    /// Threads that write, sync and read for the shards; more than one, so that a read does not wait for a sync.
    private static let storageThreads = 4

    /// How long leaderships may take to be handed over at the end.
    private static let handOverTime = TimeAmount.seconds(5)

    public let configuration: Configuration
    private let logger: Logger
    private let group: MultiThreadedEventLoopGroup
    private let pool: NIOThreadPool
    private let status: NodeStatus
    private let runners: [ShardRunner]
    private let peers: PeerServer
    private let door: ClientDoor
    private let directory: DataDirectory

    /// Starts a node and returns when it listens.
    ///
    /// - Parameter onStoreFailure: the store has failed and the process must end: nothing more may be acknowledged.
    /// - Throws: `NodeError`
    public static func start(
        _ configuration: Configuration, onStoreFailure: @escaping @Sendable (String) -> Void
    ) async throws -> Node {
        let logger = Logger(label: "kv") { _ in LineLogHandler(configuration.log) }
        let directory = try DataDirectory.open(configuration)
        let shards = directory.stores.count
        let group = MultiThreadedEventLoopGroup(numberOfThreads: shards)
        let pool = NIOThreadPool(numberOfThreads: storageThreads)
        pool.start()
        let assembly = Assembly(
            configuration: configuration, logger: logger, directory: directory, group: group, pool: pool)
        do {
            return try await assembly.start(onStoreFailure: onStoreFailure)
        } catch {
            try? await pool.shutdownGracefully()
            try? await group.shutdownGracefully()
            throw error
        }
    }

    fileprivate init(
        _ assembly: Assembly, status: NodeStatus, runners: [ShardRunner], peers: PeerServer, door: ClientDoor
    ) {
        configuration = assembly.configuration
        logger = assembly.logger
        group = assembly.group
        pool = assembly.pool
        directory = assembly.directory
        self.status = status
        self.runners = runners
        self.peers = peers
        self.door = door
    }

    /// Where clients reach it; differs from the configuration's where that asks for port 0.
    public var clientPort: Int? { door.port }

    /// Hands leaderships over, finishes what is under way, flushes, and lets everything go.
    public func stop() async {
        logger.info("stopping: handing leaderships over")
        status.beginStopping()
        await door.stopAccepting()
        await handOver()
        await door.drain()
        await door.close()
        for runner in runners { try? await runner.loop.flatSubmit { runner.stop() }.get() }
        await peers.stop()
        try? await pool.shutdownGracefully()
        try? await group.shutdownGracefully()
        logger.info("stopped")
    }

    /// Returns when others lead what this node led, or when that takes too long.
    private func handOver() async {
        let drained = runners.map { runner in
            let promise = runner.loop.makePromise(of: Void.self)
            runner.drain { promise.succeed() }
            return promise.futureResult
        }
        let loop = group.next()
        let done = loop.makePromise(of: Void.self)
        let timeout = loop.scheduleTask(in: Self.handOverTime) { done.succeed() }
        EventLoopFuture.andAllComplete(drained, on: loop).whenComplete { _ in done.succeed() }
        try? await done.futureResult.get()
        timeout.cancel()
    }
}

/// The parts of a node before it listens.
private struct Assembly {
    let configuration: Configuration
    let logger: Logger
    let directory: DataDirectory
    let group: MultiThreadedEventLoopGroup
    let pool: NIOThreadPool

    func start(onStoreFailure: @escaping @Sendable (String) -> Void) async throws -> Node {
        let topology = directory.topology
        let identity = directory.identity
        let shards = directory.stores.count
        let status = NodeStatus(shards: shards)
        let loops = Array(group.makeIterator())
        let runners = (0..<shards).map { index in
            ShardRunner(
                index: index, loop: loops[index % loops.count], node: identity, topology: topology,
                partitions: (0..<topology.settings.partitions).filter { $0 % shards == index }
                    .map { PartitionID(UInt16($0)) },
                store: directory.stores[index], probeInterval: configuration.failure.probeInterval,
                maximumBytesInFlight: max(configuration.limits.inFlight / shards, 1), status: status, pool: pool,
                logger: logger, onStoreFailure: { onStoreFailure("\($0)") })
        }
        let reasons = ReasonLog(logger: logger)
        let policy = peerPolicy(topology, identity)
        let router = PeerRouter(runners: runners)
        let peers: PeerServer
        do {
            peers = try await PeerServer.start(
                on: configuration.node.peer, group: group, policy: policy, reasons: reasons, logger: logger,
                deliver: router.deliver)
        } catch {
            throw NodeError(.unavailable, "\(error)")
        }
        let backend = NodeBackend(
            node: identity, topology: topology,
            limits: RequestLimits(key: configuration.limits.key, value: configuration.limits.value), runners: runners,
            status: status)
        let door: ClientDoor
        do {
            door = try await ClientDoor.open(
                configuration.node.client, group: group, backend: backend,
                maximumConnections: configuration.limits.connections, logger: logger)
        } catch {
            await peers.stop()
            throw error
        }
        for runner in runners {
            try await runner.loop.submit {
                startLinks(of: runner, shards: shards, topology: topology, policy: policy, reasons: reasons)
            }.get()
        }
        logger.info(
            "serving",
            metadata: [
                "node": "\(identity.id)", "cluster": "\(topology.settings.name)",
                "client": "\(configuration.node.client)", "peer": "\(configuration.node.peer)",
                "members": "\(topology.members.count)", "data": "\(directory.path)",
            ])
        return Node(self, status: status, runners: runners, peers: peers, door: door)
    }

    private func peerPolicy(_ topology: Topology, _ identity: NodeIdentity) -> PeerPolicy {
        let members = Dictionary(uniqueKeysWithValues: topology.members.map { ($0.number, $0) })
        return PeerPolicy(
            introduction: Introduction(
                clusterID: topology.clusterID, clusterName: topology.settings.name, node: identity.number,
                nodeID: identity.id, store: identity.store, boot: identity.boot,
                epoch: topology.epoch,
                agreement: configuration.agreement.map { AgreementLine(path: $0.path, value: $0.value) }),
            member: { members[$0] },
            storeObjection: { [directory] in directory.objection(to: $1, of: $0) })
    }

    private func startLinks(
        of runner: ShardRunner, shards: Int, topology: Topology, policy: PeerPolicy, reasons: ReasonLog
    ) {
        var links: [NodeNumber: PeerLink] = [:]
        for member in topology.members where member.number != runner.node.number {
            let peer = member.number
            links[peer] = PeerLink(
                to: member, policy: policy, shard: ShardPosition(index: runner.index, count: shards), on: runner.loop,
                reasons: reasons, logger: logger, onUp: { runner.linkUp(peer, boot: $0) },
                onDown: { _ in runner.linkDown(peer) })
        }
        runner.start(links: links)
    }
}
