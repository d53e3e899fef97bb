import KVCore
import KVWire
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Accepts the links of peers and passes on their messages. Its connections spread over the event loops of a group.
package final class PeerServer: Sendable {
    /// Called with all messages that one burst of reading brought from a peer, in the order in which they were sent, on
    /// the event loop of the connection. Reading goes on when it returns.
    package typealias Deliver = @Sendable (_ from: NodeNumber, _ messages: [PeerMessage]) -> Void

    /// Called when a peer has connected, and so can be connected to, on the event loop of the connection.
    package typealias Connected = @Sendable (_ peer: Introduction) -> Void

    /// Called repeatedly while a message arrives that takes more than one burst, on the event loop of the connection.
    package typealias Reading = @Sendable (_ from: NodeNumber) -> Void

    let policy: PolicyBox
    let options: PeerLinkOptions
    let reasons: ReasonLog
    let logger: Logger
    let connected: Connected
    let deliver: Deliver
    let reading: Reading

    private let listener: Mutex<(any Channel)?> = .init(nil)
    private let connections = Mutex(Connections())

    private struct Connections {
        var isStopped = false
        var all: [ObjectIdentifier: any Channel] = [:]
        /// The number of connections that have not done their handshake.
        var pending = 0
        /// The newest connection of each shard of a peer.
        var links: [LinkName: Link] = [:]
    }

    /// A connection whose handshake is done.
    struct Link {
        let channel: any Channel
        /// The start of the process at the other end.
        let boot: UInt64
        let traffic: PeerTraffic
    }

    /// Identifies a peer by its store, because pending nodes have no numbers of their own.
    private struct LinkName: Hashable {
        var store: UUID128
        var shard: Int
    }

    private init(
        policy: PolicyBox, options: PeerLinkOptions, reasons: ReasonLog, logger: Logger,
        connected: @escaping Connected, reading: @escaping Reading, deliver: @escaping Deliver
    ) {
        self.policy = policy
        self.options = options
        self.reasons = reasons
        self.logger = logger
        self.connected = connected
        self.deliver = deliver
        self.reading = reading
    }

    /// Listens on `address`; port 0 takes a free one.
    /// - Throws: `PeerServerError` if that is not possible.
    package static func start(
        on address: Address, group: any EventLoopGroup, policy: PolicyBox,
        options: PeerLinkOptions = PeerLinkOptions(), reasons: ReasonLog, logger: Logger,
        connected: @escaping Connected = { _ in }, reading: @escaping Reading = { _ in }, deliver: @escaping Deliver
    ) async throws -> PeerServer {
        let server = PeerServer(
            policy: policy, options: options, reasons: reasons, logger: logger, connected: connected,
            reading: reading, deliver: deliver)
        do {
            // Encode a welcome now, so that an introduction that is too long is an error here and not at every
            // handshake.
            _ = try Handshake.welcome(policy.current.introduction).frame()
            let bootstrap = ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 256)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelInitializer { channel in channel.pauseAccepting(reasons, from: "peers") }
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelOption(.socketOption(.so_keepalive), value: 1)
                .childChannelOption(
                    .recvAllocator,
                    value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 16 << 10, maximum: 256 << 10)
                )
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(PeerServerHandler(server: server))
                    }
                }
            let listener =
                if let numeric = address.numeric {
                    try await bootstrap.bind(to: numeric).get()
                } else {
                    try await bootstrap.bind(host: address.host, port: address.port).get()
                }
            server.listener.withLock { $0 = listener }
            return server
        } catch {
            throw PeerServerError(address: address, reason: describe(error))
        }
    }

    /// The port that it listens on; nil once stopped.
    package var port: Int? { listener.withLock { $0?.localAddress?.port } }

    /// Stops listening and closes all connections.
    package func stop() async {
        let listening = listener.withLock { listener in
            defer { listener = nil }
            return listener
        }
        // An error would mean that it is closed already.
        try? await listening?.close()
        let open = connections.withLock { connections in
            connections.isStopped = true
            return Array(connections.all.values)
        }
        for channel in open { try? await channel.close() }
    }

    /// Closes the connections of removed members.
    func disconnect(stores: Set<UUID128>) {
        let gone = connections.withLock { connections in
            connections.links.filter { stores.contains($0.key.store) }.map(\.value.channel)
        }
        for channel in gone { channel.close(promise: nil) }
    }

    // MARK: - For the handlers of connections

    /// Counts a new connection. False when it is one too many or the server has stopped: the caller closes it.
    func opened(_ channel: any Channel) -> Bool {
        let (isOpen, isStopped) = connections.withLock { connections in
            let isOpen = !connections.isStopped && connections.pending < options.pendingLimit
            if isOpen {
                connections.all[ObjectIdentifier(channel)] = channel
                connections.pending += 1
            }
            return (isOpen, connections.isStopped)
        }
        if !isOpen && !isStopped {
            reasons.say(
                "more than \(options.pendingLimit) connections to the peer port have not introduced themselves: new ones "
                    + "are closed; let only nodes of the cluster reach it",
                of: "peer port")
        }
        return isOpen
    }

    /// Notes that the handshake is done. Closes an older connection of the same shard of the peer: its other end is
    /// gone, and nothing else might ever show that.
    func accepted(_ channel: any Channel, from peer: Introduction, shard: Int, _ traffic: PeerTraffic) {
        let link = Link(channel: channel, boot: peer.boot, traffic: traffic)
        let older = connections.withLock { connections -> [Link] in
            connections.pending -= 1
            // Close all connections of a former process, whatever their shards: two processes must not speak for one
            // store.
            let former = connections.links.filter { $0.key.store == peer.store && $0.value.boot != peer.boot }
            for name in former.keys { connections.links[name] = nil }
            let replaced = connections.links.updateValue(link, forKey: LinkName(store: peer.store, shard: shard))
            return Array(former.values) + (replaced.map { [$0] } ?? [])
        }
        for link in older { link.channel.close(promise: nil) }
    }

    /// The connections of other processes with the same store.
    func rivals(of peer: Introduction) -> [Link] {
        connections.withLock { connections in
            connections.links.filter { $0.key.store == peer.store && $0.value.boot != peer.boot }.map(\.value)
        }
    }

    func closed(_ channel: any Channel, from peer: Introduction?, shard: Int) {
        connections.withLock { connections in
            guard connections.all.removeValue(forKey: ObjectIdentifier(channel)) != nil else { return }
            guard let peer else {
                connections.pending -= 1
                return
            }
            let name = LinkName(store: peer.store, shard: shard)
            if connections.links[name]?.channel === channel { connections.links[name] = nil }
        }
    }
}

/// Counts the bursts of messages that a connection brings.
final class PeerTraffic: Sendable {
    private let bursts = Atomic<Int>(0)

    var count: Int { bursts.load(ordering: .relaxed) }

    func note() { bursts.wrappingAdd(1, ordering: .relaxed) }
}

/// The error of a peer address that cannot be listened on.
package struct PeerServerError: Error, CustomStringConvertible {
    package var address: Address
    package var reason: String

    package var description: String {
        """
        cannot listen for peers on \(address): \(reason); \
        stop what uses the address, or give this node another peer address under nodes: in the configuration
        """
    }
}
