import KVCore
import KVWire
import Logging
import NIOCore
import NIOPosix

/// The failure detector's datagrams: sent to the members' peer addresses and received on this node's own. Confined to
/// one event loop.
///
/// Names are resolved on the storage threads, again now and then, as what they stand for may move. What is for a member
/// whose name does not resolve is dropped, as the network may drop it.
///
/// Sendable because everything mutable is touched on `loop` only.
final class GossipSocket: @unchecked Sendable {
    /// How long what a name stands for is believed, and the pause after it could not be resolved.
    private static let resolveEvery = Span.milliseconds(30_000)
    private static let resolveAgain = Span.milliseconds(3000)

    private let loop: any EventLoop
    private let channel: any Channel
    private let clusterID: UUID128
    private let me: NodeNumber
    private let secret: GossipSecret?
    private let pool: NIOThreadPool
    private let reasons: ReasonLog
    private var peers: [NodeNumber: Peer] = [:]
    private var receive: ((GossipMessage, NodeNumber) -> Void)?

    private struct Peer {
        let name: String
        let address: Address
        var resolved: SocketAddress?
        /// When to look the name up (again); nil for an address that is none, and while it is being looked up.
        var lookUp: KVCore.Instant?
    }

    private init(
        channel: any Channel, loop: any EventLoop, clusterID: UUID128, me: NodeNumber, secret: GossipSecret?,
        pool: NIOThreadPool, reasons: ReasonLog
    ) {
        self.channel = channel
        self.loop = loop
        self.clusterID = clusterID
        self.me = me
        self.secret = secret
        self.pool = pool
        self.reasons = reasons
    }

    /// - Parameter address: with the port that peers are listened for on.
    /// - Throws: `NodeError` where it cannot be bound.
    static func open(
        on address: Address, loop: any EventLoop, clusterID: UUID128, me: NodeNumber, secret: String?,
        pool: NIOThreadPool, reasons: ReasonLog
    ) async throws -> GossipSocket {
        let key = secret.flatMap(GossipSecret.init)
        guard key != nil || secret == nil else {
            throw NodeError(.badData, "security.secret needs \(GossipSecret.minimumBytes) bytes or more")
        }
        do {
            let found = try await pool.runIfActive { try Resolver.resolve(address) }
            guard let local = found.first else { throw ResolutionError(address: address, reason: "it has no address") }
            let channel = try await DatagramBootstrap(group: loop)
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 64 << 10))
                .bind(to: local).get()
            let socket = GossipSocket(
                channel: channel, loop: loop, clusterID: clusterID, me: me, secret: key, pool: pool,
                reasons: reasons)
            try await loop.submit {
                try channel.pipeline.syncOperations.addHandler(GossipHandler(socket: socket))
            }.get()
            return socket
        } catch {
            throw NodeError(
                .unavailable,
                """
                cannot receive the failure detector's datagrams on \(address) (UDP): \(describe(error)); stop what uses \
                the address, or give this node another peer address
                """)
        }
    }

    /// Where it listens; nil once stopped.
    var port: Int? { channel.localAddress?.port }

    /// - Parameter receive: called on the loop with what members say.
    func start(_ receive: @escaping (GossipMessage, NodeNumber) -> Void) {
        loop.assertInEventLoop()
        self.receive = receive
    }

    func stop() {
        receive = nil
        channel.close(promise: nil)
    }

    func setMembers(_ members: [Member], now: KVCore.Instant) {
        let before = peers
        peers = [:]
        for member in members where member.number != me {
            if let known = before[member.number], known.address == member.peer {
                peers[member.number] = known
            } else {
                let numeric = member.peer.numeric
                peers[member.number] = Peer(
                    name: member.id, address: member.peer, resolved: numeric, lookUp: numeric == nil ? now : nil)
            }
        }
        refresh(now: now)
    }

    func send(_ message: GossipMessage, to peer: NodeNumber) {
        guard let address = peers[peer]?.resolved, address.protocol == channel.localAddress?.protocol else { return }
        let bytes = GossipCodec.encode(message, clusterID: clusterID, from: me, secret: secret)
        channel.writeAndFlush(
            AddressedEnvelope(remoteAddress: address, data: channel.allocator.buffer(bytes: bytes)), promise: nil)
    }

    fileprivate func received(_ bytes: ByteBuffer, from address: SocketAddress) {
        guard let receive else { return }
        let place = address.ipAddress ?? "an unknown address"
        let decoded = bytes.withUnsafeReadableBytes { bytes in
            Result { () throws(WireError) in
                try GossipCodec.decode(bytes, clusterID: clusterID, secret: secret)
            }
        }
        switch decoded {
        case .success((let peer, let message)):
            if peers[peer] != nil { receive(message, peer) }
        case .failure(let error):
            reasons.say(
                """
                ignoring datagrams from \(place): \(error); if a node of this cluster runs there, give all nodes the same \
                security.secret and the same version of kv
                """, of: "datagrams from \(place)")
        }
    }

    // MARK: Names

    /// Looks up what is due; to be called every second or so.
    func refresh(now: KVCore.Instant) {
        for (number, peer) in peers {
            guard let due = peer.lookUp, now >= due else { continue }
            peers[number]?.lookUp = nil
            let family = channel.localAddress?.protocol
            pool.submit { [self] _ in
                let result = Result { () throws(ResolutionError) in try Resolver.resolve(peer.address) }
                loop.execute { [self] in lookedUp(number, peer.address, result, family) }
            }
        }
    }

    private func lookedUp(
        _ number: NodeNumber, _ address: Address, _ result: Result<[SocketAddress], ResolutionError>,
        _ family: NIOBSDSocket.ProtocolFamily?
    ) {
        guard let peer = peers[number], peer.address == address else { return }
        let now = Clock.monotonic
        let subject = "the name of \(peer.name)"
        do throws(ResolutionError) {
            let found = try result.get()
            guard let usable = found.first(where: { $0.protocol == family }) else {
                throw ResolutionError(
                    address: address, reason: "it has no address of the family that this node's peer address is of")
            }
            peers[number]?.resolved = usable
            peers[number]?.lookUp = now + Self.resolveEvery
            reasons.forget(subject)
        } catch {
            // What it stood for last is better than nothing.
            peers[number]?.lookUp = now + Self.resolveAgain
            reasons.say("cannot probe \(peer.name): \(error); trying again", of: subject)
        }
    }
}

private final class GossipHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let socket: GossipSocket

    init(socket: GossipSocket) { self.socket = socket }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        socket.received(envelope.data, from: envelope.remoteAddress)
    }

    /// Nobody listens where something was sent to: the same as a loss. The socket stays.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
