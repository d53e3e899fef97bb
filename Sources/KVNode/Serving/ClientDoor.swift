import KVAPI
import KVCore
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Listens for clients and hands their connections to the protocol they speak.
final class ClientDoor: Sendable {
    /// How long clients with a request under way are waited for at the end.
    private static let drainTime = Duration.seconds(5)

    private let connections: ClientConnections
    private let listener: any Channel

    private init(connections: ClientConnections, listener: any Channel) {
        self.connections = connections
        self.listener = listener
    }

    var port: Int? { listener.localAddress?.port }

    /// - Throws: `NodeError` when the address cannot be listened on.
    static func open(
        _ address: Address, group: any EventLoopGroup, backend: any Backend, facts: NodeFacts, logger: Logger
    ) async throws -> ClientDoor {
        let connections = ClientConnections(limit: facts.maximumConnections, logger: logger)
        let resp = RespDoor(backend: backend, facts: facts, wallClock: { Clock.wall })
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // Idle connections of the Redis protocol stay open: those whose clients are gone are found so.
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard connections.opened(channel) else {
                        channel.close(promise: nil)
                        return
                    }
                    let protocols = ProtocolSwitch { channel, choice in
                        switch choice {
                        case .http: try HTTPDoor.configure(channel, backend: backend, wallClock: { Clock.wall })
                        case .resp: try resp.configure(channel)
                        }
                    }
                    try channel.pipeline.syncOperations.addHandler(protocols)
                }
            }
        do {
            let listener = try await bootstrap.bind(host: address.host, port: address.port).get()
            return ClientDoor(connections: connections, listener: listener)
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

    /// Closes what is still open.
    func close() async { await connections.closeAll() }
}

/// The open connections of clients, counted against `limits.connections`.
private final class ClientConnections: Sendable {
    private let limit: Int
    private let logger: Logger
    private let open = Mutex<[ObjectIdentifier: any Channel]>([:])

    init(limit: Int, logger: Logger) {
        self.limit = limit
        self.logger = logger
    }

    var isEmpty: Bool { open.withLock { $0.isEmpty } }

    /// False: there are too many, close it.
    func opened(_ channel: any Channel) -> Bool {
        let name = ObjectIdentifier(channel)
        let fits = open.withLock { open in
            guard open.count < limit else { return false }
            open[name] = channel
            return true
        }
        guard fits else {
            logger.warning(
                "a client was turned away: limits.connections are open",
                metadata: ["connections": "\(limit)"])
            return false
        }
        channel.closeFuture.whenComplete { [self] _ in open.withLock { $0[name] = nil } }
        return true
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
