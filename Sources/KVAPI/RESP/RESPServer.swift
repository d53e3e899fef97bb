import KVCore
import NIOCore
import Synchronization

/// Shared by all connections of a node that speak the Redis protocol.
final class RESPServer: Sendable {
    let backend: any Backend
    /// The limits of the backend.
    let limits: RequestLimits
    let options: RESPOptions
    let info: NodeInfo
    /// Milliseconds since 1970, UTC.
    let wallClock: @Sendable () -> UInt64
    let positions: ScanPositions
    let budgets: ReplyBudgets
    let statistics = RESPStatistics()
    /// Milliseconds since 1970.
    let began: UInt64
    private let lastClient = Atomic<UInt64>(0)
    private let clients = Mutex<[UInt64: RESPClient]>([:])

    init(
        backend: any Backend, info: NodeInfo, options: RESPOptions, budgets: ReplyBudgets,
        wallClock: @escaping @Sendable () -> UInt64
    ) {
        self.backend = backend
        self.budgets = budgets
        limits = backend.limits
        self.info = info
        var options = options
        options.maximumRequestBytes = max(
            options.maximumRequestBytes, 2 * (max(limits.key, 0) + max(limits.value, 0)) + 1024)
        self.options = options
        self.wallClock = wallClock
        positions = ScanPositions(limit: options.rememberedCursors)
        began = wallClock()
    }

    func open(address: String, localAddress: String) -> RESPClient {
        let id = lastClient.wrappingAdd(1, ordering: .relaxed).newValue
        let client = RESPClient(id: id, address: address, localAddress: localAddress, began: wallClock())
        clients.withLock { $0[id] = client }
        return client
    }

    func closed(_ client: RESPClient) { clients.withLock { $0[client.id] = nil } }

    /// The open connections, in the order of their ids.
    var connected: [RESPClient] { clients.withLock { $0.values.sorted { $0.id < $1.id } } }

    var connectedCount: Int { clients.withLock { $0.count } }

    /// The number of connections that have ever been opened.
    var openedCount: UInt64 { lastClient.load(ordering: .relaxed) }
}

/// The counters to which all connections add.
final class RESPStatistics: Sendable {
    private let commands = Atomic<UInt64>(0)
    private let bytesIn = Atomic<UInt64>(0)
    private let bytesOut = Atomic<UInt64>(0)

    /// Called once for a turn of the event loop, not for each command.
    func add(commands count: UInt64, bytesIn input: UInt64, bytesOut output: UInt64) {
        commands.wrappingAdd(count, ordering: .relaxed)
        bytesIn.wrappingAdd(input, ordering: .relaxed)
        bytesOut.wrappingAdd(output, ordering: .relaxed)
    }

    var current: (commands: UInt64, bytesIn: UInt64, bytesOut: UInt64) {
        (commands.load(ordering: .relaxed), bytesIn.load(ordering: .relaxed), bytesOut.load(ordering: .relaxed))
    }
}

/// A node's description of itself, as far as it does not change while the node runs.
package struct NodeInfo: Sendable {
    /// Which keys the commands on all keys are about.
    package enum Keyspace: Sendable {
        /// The node's own share for cluster clients, as far as they can be recognized; the whole cluster for others.
        case auto
        case cluster
        /// The keys that the node leads.
        case node
    }

    /// This program's version.
    package var version: String
    /// Where clients reach it.
    package var client: Address
    /// `redis.moved`: clients are sent to the leaders of their keys.
    package var redirects: Bool
    /// `redis.replicas`: the map of slots names the replicas beside the leaders.
    package var namesReplicas: Bool
    /// `redis.keyspace`.
    package var keyspace: Keyspace
    package var dataDirectory: String
    /// When the node syncs, in Redis's words: `always`, `everysec` or `no`.
    package var appendfsync: String
    package var maximumConnections: Int
    /// Event loops that serve clients.
    package var threads: Int
    package var processID: Int

    package init(
        version: String, client: Address, redirects: Bool, namesReplicas: Bool, keyspace: Keyspace,
        dataDirectory: String, appendfsync: String, maximumConnections: Int, threads: Int, processID: Int
    ) {
        self.version = version
        self.client = client
        self.redirects = redirects
        self.namesReplicas = namesReplicas
        self.keyspace = keyspace
        self.dataDirectory = dataDirectory
        self.appendfsync = appendfsync
        self.maximumConnections = maximumConnections
        self.threads = threads
        self.processID = processID
    }
}
