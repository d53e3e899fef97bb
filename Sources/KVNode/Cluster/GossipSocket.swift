import Glibc
import KVCore
import KVWire
import Logging
import NIOCore
import NIOPosix

/// Sends the failure detector's datagrams to the members' peer addresses, and receives them on this node's own.
/// Confined to one event loop.
///
/// Names are resolved on separate threads, repeatedly, because their addresses may change. Datagrams for a member whose
/// name does not resolve are dropped, as the network may drop them.
///
/// Sendable because all mutable state is used only on `loop`.
final class GossipSocket: @unchecked Sendable {
    /// The time between lookups of a name, and the pause after a lookup that failed.
    private static let resolveEvery = Nanoseconds.milliseconds(30_000)
    private static let resolveAgain = Nanoseconds.milliseconds(3000)

    /// The pause before a socket that closed by itself is opened again. There is no limit on the attempts.
    private static let reopenAfter = TimeAmount.seconds(1)
    private static let subject = "the failure detector's socket"

    private let loop: any EventLoop
    /// Nil from when it has closed by itself until it is open again.
    private(set) var socket: DatagramSocket?
    /// The address that it is bound to each time.
    private let local: SocketAddress
    private let clusterID: UUID128
    private let me: NodeNumber
    private let secret: GossipSecret?
    private let pool: NIOThreadPool
    private let reasons: ReasonLog
    private var peers: [NodeNumber: Peer] = [:]
    private var receive: ((GossipMessage, NodeNumber) -> Void)?
    private var onObstacle: (String?) -> Void = { _ in }
    private var isStopped = false

    private struct Peer {
        let name: String
        let address: Address
        var resolved: SocketAddress?
        /// The time of the next lookup of the name; nil for a numeric address, and during a lookup.
        var lookUp: KVCore.Instant?
        /// True while the member is not heard: its name may have another address now.
        var isMissed = false
        /// True when the last datagram could not be sent, which has been logged.
        var isFailing = false
    }

    private init(
        local: SocketAddress, loop: any EventLoop, clusterID: UUID128, me: NodeNumber, secret: GossipSecret?,
        pool: NIOThreadPool, reasons: ReasonLog
    ) {
        self.local = local
        self.loop = loop
        self.clusterID = clusterID
        self.me = me
        self.secret = secret
        self.pool = pool
        self.reasons = reasons
    }

    /// - Parameter address: the peer address, with the port of the peer listener.
    /// - Throws: `NodeError` when it cannot be bound.
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
            guard let wanted = found.first else { throw ResolutionError(address: address, reason: "it has no address") }
            // The system may have chosen the port. It stays the same from here on.
            let first = try await DatagramSocket.bind(to: wanted, loop: loop).get()
            let gossip = GossipSocket(
                local: first.local, loop: loop, clusterID: clusterID, me: me, secret: key, pool: pool,
                reasons: reasons)
            try await loop.submit { try gossip.adopt(first) }.get()
            return gossip
        } catch {
            throw NodeError(
                .unavailable,
                """
                cannot receive the failure detector's datagrams on \(address) (UDP): \(describe(error)); stop what \
                uses the address, or give this node another peer address
                """)
        }
    }

    /// The port that it is bound to; nil once stopped.
    var port: Int? { isStopped ? nil : local.port }

    /// - Parameters:
    ///   - receive: called on the loop with members' messages.
    ///   - onObstacle: called on the loop with the reason when nothing can be sent or received, and with nil when that
    ///     is over.
    func start(
        onObstacle: @escaping (String?) -> Void = { _ in }, _ receive: @escaping (GossipMessage, NodeNumber) -> Void
    ) {
        loop.assertInEventLoop()
        self.receive = receive
        self.onObstacle = onObstacle
    }

    func stop() {
        isStopped = true
        receive = nil
        socket?.close()
        socket = nil
    }

    // MARK: The socket

    private func adopt(_ opened: DatagramSocket) throws {
        guard !isStopped else { return opened.close() }
        try opened.channel.pipeline.syncOperations.addHandler(GossipHandler(socket: self))
        socket = opened
        opened.channel.closeFuture.whenComplete { [weak self] _ in self?.closed(opened) }
    }

    /// Opens the socket again after it closed by itself: nobody would hear this node otherwise.
    private func closed(_ closed: DatagramSocket) {
        guard !isStopped, socket === closed else { return }
        closed.close()
        socket = nil
        reopen(as: "has closed; it is being opened again")
    }

    /// - Parameter trouble: what happened to the socket.
    private func reopen(as trouble: String) {
        let obstacle = "the socket of failure detection on \(local) (UDP) \(trouble)"
        reasons.say(obstacle, of: Self.subject)
        onObstacle(obstacle)
        loop.scheduleTask(in: Self.reopenAfter) { [weak self] in
            guard let self, !isStopped else { return }
            DatagramSocket.bind(to: local, loop: loop).flatMapThrowing { [weak self] opened in
                try self?.adopt(opened)
            }.whenComplete { [weak self] result in
                guard let self, !isStopped else { return }
                switch result {
                case .success:
                    reasons.forget(Self.subject)
                    onObstacle(nil)
                case .failure(let error): reopen(as: "cannot be opened: \(describe(error)); trying again")
                }
            }
        }
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

    func send(_ message: GossipMessage, to number: NodeNumber) {
        guard let socket, let peer = peers[number], let resolved = peer.resolved else { return }
        let failure: String?
        if let address = socket.reachable(resolved) {
            let code = socket.send(
                GossipCodec.encode(message, clusterID: clusterID, from: me, secret: secret), to: address)
            failure = code == 0 ? nil : String(cString: strerror(code))
        } else {
            failure = "this node's peer address, \(local), is not of its family"
        }
        guard failure != nil || peer.isFailing else { return }
        let subject = "datagrams to \(peer.name)"
        if let failure {
            reasons.say(
                "cannot send datagrams to \(peer.name) at \(peer.address) (UDP): \(failure); trying again", of: subject)
        } else {
            reasons.forget(subject)
        }
        peers[number]?.isFailing = failure != nil
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
                ignoring datagrams from \(place): \(error); if a node of this cluster runs there, give all nodes the \
                same security.secret and the same version of kv
                """, of: "datagrams from \(place)")
        }
    }

    // MARK: Names

    /// Resolves the name of a member that is not heard at once, and then more often: it may have another address now.
    func setMissed(_ number: NodeNumber, _ isMissed: Bool, now: KVCore.Instant) {
        peers[number]?.isMissed = isMissed
        guard isMissed, let due = peers[number]?.lookUp, due > now else { return }
        peers[number]?.lookUp = now
        refresh(now: now)
    }

    /// Resolves the names that are due. Call it about once a second.
    func refresh(now: KVCore.Instant) {
        for (number, peer) in peers {
            guard let due = peer.lookUp, now >= due else { continue }
            peers[number]?.lookUp = nil
            pool.submit { [self] _ in
                let result = Result { () throws(ResolutionError) in try Resolver.resolve(peer.address) }
                loop.execute { [self] in lookedUp(number, peer.address, result) }
            }
        }
    }

    private func lookedUp(
        _ number: NodeNumber, _ address: Address, _ result: Result<[SocketAddress], ResolutionError>
    ) {
        guard let peer = peers[number], peer.address == address else { return }
        let now = Clock.monotonic
        let subject = "the name of \(peer.name)"
        do throws(ResolutionError) {
            let found = try result.get()
            let isUsable = { [socket] (found: SocketAddress) in socket.map { $0.reachable(found) != nil } ?? true }
            guard let usable = found.first(where: isUsable) else {
                throw ResolutionError(
                    address: address, reason: "it has no address of the family that this node's peer address is of")
            }
            peers[number]?.resolved = usable
            peers[number]?.lookUp = now + (peer.isMissed ? Self.resolveAgain : Self.resolveEvery)
            reasons.forget(subject)
        } catch {
            // The last known address is better than none.
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

    /// Ignores read errors: the datagram is lost. If the channel closes, the socket is opened again.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
