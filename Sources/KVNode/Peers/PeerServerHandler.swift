import KVCore
import KVWire
import NIOCore

/// One incoming connection: first its handshake, against a deadline and within narrow limits, then its messages.
final class PeerServerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let server: PeerServer
    private var reader = FrameReader(maximumPayload: FrameLimits.handshake)
    private var state = State.idle
    /// How many messages a burst may have for their memory to be used again.
    private static let keptMessages = 1024
    /// Of this burst of reading.
    private var messages: [PeerMessage] = []

    private enum State {
        /// Not connected yet, or turned away.
        case idle
        case greeting(deadline: Scheduled<Void>)
        case open(Introduction, shard: Int)
        /// Closed, or about to be once a refusal is sent; whatever comes is ignored.
        case closed
    }

    private var isClosed: Bool {
        if case .closed = state { true } else { false }
    }

    init(server: PeerServer) { self.server = server }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        guard server.opened(channel) else {
            state = .closed
            context.close(promise: nil)
            return
        }
        let deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(server.options.handshakeTimeout))
        {
            guard case .greeting = self.state else { return }
            self.refuse(nil, "it did not introduce itself in time", channel)
        }
        state = .greeting(deadline: deadline)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isClosed { return }
        reader.append(unwrapInboundIn(data))
        // What a frame that fails has left is not delivered.
        var whole = messages.count
        do throws(WireError) {
            while !isClosed, let payload = try reader.next() {
                switch state {
                case .open:
                    try FrameReader.decode(payload, into: &messages)
                    whole = messages.count
                case .greeting:
                    try greeted(Handshake.decode(payload), context)
                case .idle, .closed:
                    return
                }
            }
        } catch {
            messages.removeLast(messages.count - whole)
            failed(error, context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if !messages.isEmpty, case .open(let peer, _) = state {
            // Who waits to be admitted has a say in nothing but that.
            if peer.node.isApplicant { messages.removeAll { !$0.isForApplicants } }
            if !messages.isEmpty { server.deliver(peer.node, messages) }
            messages.removeAll(keepingCapacity: messages.count <= Self.keptMessages)
        }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch state {
        case .greeting(let deadline):
            deadline.cancel()
            server.closed(context.channel, from: nil, shard: 0)
        case .open(let peer, let shard):
            server.closed(context.channel, from: peer, shard: shard)
            server.logger.debug("the connection from \(peer.nodeID) has ended")
        case .idle, .closed: break
        }
        state = .closed
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Peers come and go, and what is lost with them is sent again.
        server.logger.debug("a connection from \(subject(context.channel)) failed: \(describe(error))")
        context.close(promise: nil)
    }

    private func greeted(_ handshake: Handshake, _ context: ChannelHandlerContext) throws(WireError) {
        guard case .greeting(let deadline) = state else { return }
        guard case .hello(let peer, let shard) = handshake else { throw .invalid("handshake: a hello comes first") }
        if let objection = server.policy.current.objection(to: peer) {
            return refuse(printable(peer.nodeID), objection, context.channel)
        }
        let welcome = try Handshake.welcome(server.policy.current.introduction).frame()
        deadline.cancel()
        state = .open(peer, shard: shard.index)
        reader.maximumPayload = FrameLimits.payload
        server.accepted(context.channel, from: peer, shard: shard.index)
        server.reasons.forget(name(of: peer.nodeID))
        server.logger.debug("\(peer.nodeID) has connected (shard \(shard.index) of \(shard.count))")
        context.writeAndFlush(NIOAny(welcome), promise: nil)
        server.connected(peer)
    }

    private func failed(_ error: WireError, _ context: ChannelHandlerContext) {
        switch (state, error) {
        case (.greeting, .protocolVersion):
            refuse(
                nil, "\(error); run the same version of kv on all nodes, or versions that can work together",
                context.channel)
        case (.open(let peer, let shard), _):
            server.reasons.say(
                "closing the connection from \(peer.nodeID): \(error); if this comes again, check that both nodes run "
                    + "the same version of kv, and the network between them",
                of: name(of: peer.nodeID))
            // What came before is good.
            channelReadComplete(context: context)
            server.closed(context.channel, from: peer, shard: shard)
            state = .closed
            context.close(promise: nil)
        default:
            server.reasons.say(
                "closed a connection to the peer port from \(subject(context.channel)): \(error)",
                of: subject(context.channel))
            if case .greeting(let deadline) = state { deadline.cancel() }
            server.closed(context.channel, from: nil, shard: 0)
            state = .closed
            context.close(promise: nil)
        }
    }

    /// Says why, to the log and to the other side, and closes.
    private func refuse(_ peer: String?, _ reason: String, _ channel: any Channel) {
        if case .greeting(let deadline) = state { deadline.cancel() }
        state = .closed
        server.closed(channel, from: nil, shard: 0)
        let who = peer ?? subject(channel)
        server.reasons.say("refused a connection from \(who): \(reason)", of: peer.map(name) ?? who)
        guard let refusal = try? Handshake.refusal(reason).frame() else { return channel.close(promise: nil) }
        channel.writeAndFlush(refusal).whenComplete { _ in channel.close(promise: nil) }
    }

    /// Of the reasons about a peer's incoming connections; those about this node's own links go by its id alone.
    private func name(of peer: String) -> String { "from \(peer)" }

    /// A stranger's address, without the port, which is another each time.
    private func subject(_ channel: any Channel) -> String { channel.remoteAddress?.ipAddress ?? "an unknown address" }
}

extension PeerMessage {
    /// Whether a node that is no member may say it.
    fileprivate var isForApplicants: Bool {
        switch self {
        case .cluster(.announce), .cluster(.topologyWanted): true
        default: false
        }
    }
}
