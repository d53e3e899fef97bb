import KVCore
import NIOCore
import Synchronization

/// What the connections of a node share that speak the Redis protocol.
final class RESPServer: Sendable {
    let backend: any Backend
    /// The backend's.
    let limits: RequestLimits
    let options: RESPOptions
    let facts: NodeFacts
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
        backend: any Backend, facts: NodeFacts, options: RESPOptions, budgets: ReplyBudgets,
        wallClock: @escaping @Sendable () -> UInt64
    ) {
        self.backend = backend
        self.budgets = budgets
        limits = backend.limits
        self.facts = facts
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

    /// By id.
    var connected: [RESPClient] { clients.withLock { $0.values.sorted { $0.id < $1.id } } }

    var connectedCount: Int { clients.withLock { $0.count } }

    /// Connections there have been.
    var openedCount: UInt64 { lastClient.load(ordering: .relaxed) }
}

/// What connections count together.
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

/// What a node tells of itself that does not change while it runs.
package struct NodeFacts: Sendable {
    /// Which keys the commands on all keys are about.
    package enum Keyspace: Sendable {
        /// The node's own share for cluster clients, as far as they can be told; the whole cluster for others.
        case auto
        case cluster
        /// Those whose leader the node is.
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
    /// As Redis says when it syncs: `always`, `everysec` or `no`.
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
