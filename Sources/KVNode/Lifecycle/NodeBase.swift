import CLinux
import Glibc
import KVAPI
import KVConfig
import KVCore
import KVStorage
import KVWire
import Logging
import NIOCore
import NIOPosix

/// The parts of a process that exist both while its node is a member and while it waits to be admitted.
struct NodeBase: Sendable {
    /// The number of threads that read values for the shards.
    private static let readThreads = 4
    /// The number of threads that resolve names. There are several, so that one name whose servers do not answer does
    /// not hold up all others.
    private static let nameThreads = 2

    let configuration: Configuration
    /// The number of clients that may be connected at a time: the configured number, or as many as the process may
    /// have.
    let connections: Int
    let logger: Logger
    let reasons: ReasonLog
    let directory: DataDirectory
    /// One event loop for each shard.
    let group: MultiThreadedEventLoopGroup
    /// The event loop of the cluster machine and the failure detector, which must be prompt however busy the shards
    /// are.
    let clusterGroup: MultiThreadedEventLoopGroup
    /// One thread for each shard, for commits only: the disk should be busy as soon as there is something to commit.
    let commitPool: NIOThreadPool
    /// Threads that only read values, for clients and peers.
    let readPool: NIOThreadPool
    /// Threads for everything else that waits for the disk: syncs beside commits, merging, topologies.
    let upkeepPool: NIOThreadPool
    /// Threads that resolve names, which takes as long as somebody else's server likes.
    let namePool: NIOThreadPool

    /// What to say of a configured number of shards that is not the data directory's; nil if there is nothing to say.
    static func shardsWarning(configured: Int, kept: Int, node: String) -> String? {
        guard configured != 0, configured != kept else { return nil }
        return """
            storage.shards is \(configured), and this data directory keeps the \(kept) that it was made with; for \
            another number let the node begin again with an empty directory and `kv join \(node) --replace \(node)` \
            (docs/operations.md, "Another number of shards")
            """
    }

    /// - Throws: `NodeError` when the data directory cannot be opened or does not fit the configuration.
    static func open(_ configuration: Configuration, logger: Logger) throws(NodeError) -> NodeBase {
        let limit = DescriptorLimit.raised()
        try limit.check()
        let directory = try DataDirectory.open(configuration)
        let connections = limit.connections(
            configured: configuration.limits.connections, shards: directory.stores.count,
            members: directory.topology?.members.count ?? 1)
        if connections < configuration.limits.connections {
            logger.warning(
                """
                this process may have \(limit.total) files and sockets open, so \(connections) clients may be \
                connected at a time rather than limits.connections (\(configuration.limits.connections)); to have \
                more, raise `ulimit -n`, or LimitNOFILE= of a systemd unit
                """)
        }
        if directory.mayLackRecords {
            logger.warning(
                """
                this machine has lost power, or was reset, while the node ran with storage.sync: interval or never, so \
                the newest writes may be missing here: each copy abstains until its leader has repaired it; where a \
                majority of a partition's replicas has lost power, all of them must be there before it is served again
                """)
        }
        if let warning = shardsWarning(
            configured: configuration.storage.shards, kept: directory.stores.count, node: configuration.node.id)
        {
            logger.warning("\(warning)")
        }
        let clusterGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let commitPool = NIOThreadPool(numberOfThreads: directory.stores.count)
        commitPool.start()
        // This applies to threads that are started from here on. On a busy machine, such a thread does not preempt
        // running threads of clients and other nodes when it wakes up, and finds more to do in one turn. With an idle
        // processor it makes no difference. (The cluster's loop and the commit threads are started before, so they stay
        // prompt.)
        kv_schedule_batch()
        let readPool = NIOThreadPool(numberOfThreads: readThreads)
        // One for each shard, and one more so that a topology does not wait for their syncs.
        let upkeepPool = NIOThreadPool(numberOfThreads: directory.stores.count + 1)
        let namePool = NIOThreadPool(numberOfThreads: nameThreads)
        for pool in [readPool, upkeepPool, namePool] { pool.start() }
        return NodeBase(
            configuration: configuration, connections: connections, logger: logger, reasons: ReasonLog(logger: logger),
            directory: directory,
            group: MultiThreadedEventLoopGroup(numberOfThreads: directory.stores.count), clusterGroup: clusterGroup,
            commitPool: commitPool, readPool: readPool, upkeepPool: upkeepPool, namePool: namePool)
    }

    func close() async {
        try? await commitPool.shutdownGracefully()
        try? await readPool.shutdownGracefully()
        try? await upkeepPool.shutdownGracefully()
        // The process does not wait for names that are being resolved.
        namePool.shutdownGracefully(queue: .global()) { _ in }
        // No thread uses the stores any more. If this fails, the next start can notice less, and it meets the same
        // disk.
        do throws(StoreError) { try directory.noteStores() } catch {
            logger.warning("could not note what is on disk: \(error)")
        }
        if let failure = directory.peers.keepProgress() { logger.warning("\(failure)") }
        try? await group.shutdownGracefully()
        try? await clusterGroup.shutdownGracefully()
    }

    var limits: (key: Int, value: Int) { (configuration.limits.key, configuration.limits.value) }

    /// The node's description for clients.
    var facts: NodeInfo {
        let sync =
            switch configuration.storage.sync {
            case .always: "always"
            case .interval: "everysec"
            case .never: "no"
            }
        let keyspace: NodeInfo.Keyspace =
            switch configuration.redis.keyspace {
            case .auto: .auto
            case .cluster: .cluster
            case .node: .node
            }
        return NodeInfo(
            version: Release.version, client: configuration.node.reachableClient, redirects: configuration.redis.moved,
            namesReplicas: configuration.redis.replicas, keyspace: keyspace, dataDirectory: directory.path,
            appendfsync: sync, maximumConnections: connections,
            threads: directory.stores.count, processID: Int(getpid()))
    }

    /// Decides which peers this node talks to: as a member of `topology` or, without one, as a pending node.
    func policy(_ member: Member?, _ topology: Topology?) -> PolicyBox {
        // A node that was admitted later sends the settings of its cluster, and none about the first members.
        let agreement =
            if let topology, configuration.role != .initial { topology.settings.agreement } else {
                configuration.agreement
            }
        var lines = agreement.map { AgreementLine(path: $0.path, value: $0.value) }
        if member != nil, let topology, directory.tellsSync(in: topology) {
            lines.append(AgreementLine(path: PeerPolicy.syncPath, value: configuration.storage.sync.rawValue))
        }
        let introduction = Introduction(
            clusterID: topology?.clusterID ?? .unknown,
            clusterName: topology?.settings.name ?? configuration.clusterName ?? Introduction.anyCluster,
            node: member?.number ?? .pendingNode, nodeID: configuration.node.id, store: directory.store,
            boot: directory.boot, epoch: topology?.epoch ?? 0,
            agreement: lines, starts: directory.starts, progress: directory.progress)
        var policy = PeerPolicy(
            introduction: introduction, topology: topology,
            storeObjection: { [peers = directory.peers] in peers.objection(to: $1, of: $0) },
            startObjection: { [peers = directory.peers] in peers.objection(toStartOf: $0) })
        policy.isFounding = { [directory] in directory.isFounding }
        policy.blocks = { [peers = directory.peers] in !peers.knows($0) }
        return PolicyBox(policy, pool: upkeepPool)
    }
}
