import KVAPI
import KVConfig
import KVCore
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Listens for clients and sets up each connection for the protocol that the client speaks.
final class ClientListener: Sendable {
    /// The most time to wait for requests under way when the node stops.
    private static let drainTime = Duration.seconds(5)

    private let connections: ClientConnections
    private let listener: any Channel

    private init(connections: ClientConnections, listener: any Channel) {
        self.connections = connections
        self.listener = listener
    }

    var port: Int? { listener.localAddress?.port }

    /// - Parameters:
    ///   - replies: the most bytes that all clients' connections may hold, as in `limits.replies`.
    ///   - wallClock: the time of day by which keys expire, in milliseconds since 1970.
    /// - Throws: `NodeError` when the address cannot be listened on.
    static func open(
        _ address: Address, group: any EventLoopGroup, backend: any Backend, facts: NodeInfo,
        redis: ClusterFile.Redis, replies: Int, wallClock: @escaping @Sendable () -> UInt64, reasons: ReasonLog,
        logger: Logger
    ) async throws -> ClientListener {
        let connections = ClientConnections(limit: facts.maximumConnections, logger: logger)
        var respOptions = RESPOptions()
        respOptions.timeout = redis.timeout
        let budgets = ReplyBudgets(bytes: replies, loops: facts.threads)
        let resp = RESPListener(
            backend: backend, info: facts, options: respOptions, budgets: budgets, wallClock: wallClock)
        let frames = FrameListener(backend: backend, budgets: budgets, wallClock: wallClock)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in channel.pauseAccepting(reasons, from: "clients") }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // Idle connections of the Redis protocol stay open. Keepalive finds those whose clients are gone.
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard connections.opened(channel) else {
                        channel.close(promise: nil)
                        return
                    }
                    let protocols = ProtocolSwitch(
                        onForeign: { reasons.say($0.advice, of: "\($0)") }
                    ) { channel, choice in
                        switch choice {
                        // A foreign protocol was refused before.
                        case .foreign: break
                        case .http:
                            try HTTPListener.configure(
                                channel, backend: backend, budgets: budgets, wallClock: wallClock)
                        case .resp: try resp.configure(channel)
                        case .frames: try frames.configure(channel)
                        }
                    }
                    try channel.pipeline.syncOperations.addHandler(protocols)
                }
            }
        do {
            let listener = try await bootstrap.bind(host: address.host, port: address.port).get()
            return ClientListener(connections: connections, listener: listener)
        } catch {
            throw NodeError(
                .unavailable,
                """
                cannot listen for clients on \(address): \(describe(error)); stop what uses the address, or give this \
                node another client address in the configuration
                """)
        }
    }

    func stopAccepting() async { try? await listener.close() }

    /// Lets requests under way end, and closes connections as they become idle.
    func drain() async {
        connections.quiesce()
        let end = ContinuousClock.now + Self.drainTime
        while !connections.isEmpty, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(20)) }
    }

    /// Closes the connections that are still open.
    func close() async { await connections.closeAll() }
}

/// The open connections of clients, limited by `limits.connections`.
private final class ClientConnections: Sendable {
    private let limit: Int
    private let logger: Logger
    private let open = Mutex<[ObjectIdentifier: any Channel]>([:])
    private let refused = Mutex(Refused())

    private struct Refused {
        /// The number since it was last logged.
        var count = 0
        var lastSaid: ContinuousClock.Instant?
    }

    private static let sayEvery = Duration.seconds(10)

    init(limit: Int, logger: Logger) {
        self.limit = limit
        self.logger = logger
    }

    var isEmpty: Bool { open.withLock { $0.isEmpty } }

    /// Counts a connection. False when there are too many: the caller closes it.
    func opened(_ channel: any Channel) -> Bool {
        let name = ObjectIdentifier(channel)
        let fits = open.withLock { open in
            guard open.count < limit else { return false }
            open[name] = channel
            return true
        }
        guard fits else {
            turnedAway()
            return false
        }
        channel.closeFuture.whenComplete { [self] _ in open.withLock { $0[name] = nil } }
        return true
    }

    /// Logs how many clients were refused, but not one line for each.
    private func turnedAway() {
        let now = ContinuousClock.now
        let count = refused.withLock { refused -> Int? in
            refused.count += 1
            guard refused.lastSaid.map({ now - $0 >= Self.sayEvery }) ?? true else { return nil }
            defer { refused = Refused(count: 0, lastSaid: now) }
            return refused.count
        }
        guard let count else { return }
        logger.warning(
            "\(count == 1 ? "1 client was" : "\(count) clients were") turned away: \(limit) may be connected and are"
        )
    }

    func quiesce() {
        for channel in open.withLock({ Array($0.values) }) {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
    }

    func closeAll() async {
        for channel in open.withLock({ Array($0.values) }) { try? await channel.close() }
    }
}
