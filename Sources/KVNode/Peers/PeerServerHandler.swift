import KVCore
import KVWire
import NIOCore

/// Handles one incoming connection: first its handshake, with a deadline and narrow limits, then its messages.
final class PeerServerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let server: PeerServer
    private var reader = FrameReader(maximumPayload: FrameLimits.handshake)
    private var state = State.idle
    /// The most messages of a burst whose memory is kept for the next one.
    private static let keptMessages = 1024
    /// The messages of this burst of reading.
    private var messages: [PeerMessage] = []
    private let traffic = PeerTraffic()
    /// The time of the last report that a long message is arriving, and the interval of such reports.
    private var noted = NIODeadline.uptimeNanoseconds(0)
    private static let readingInterval = TimeAmount.milliseconds(100)
    /// The limits for watching a rival, which is another process with the same store. It counts as gone after
    /// `quietLooks` checks in a row without traffic, which is longer than a healthy process is silent. After `looks`
    /// checks the new connection is refused. The limit allows for data of a dead process that the kernels in between
    /// still deliver.
    private static let doubt = (pause: TimeAmount.milliseconds(50), quietLooks: 30, looks: 70)

    private enum State {
        /// Not connected yet, or rejected.
        case idle
        case greeting(deadline: Scheduled<Void>)
        /// Another process with the same store is connected, and is watched to find out whether it still speaks.
        case doubting(Scheduled<Void>)
        /// Another thread is writing the peer's start to disk.
        case noting
        case open(Introduction, shard: Int)
        /// Closed, or about to be once a refusal is sent; further data is ignored.
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
        // Messages of a frame that fails are not delivered.
        var whole = messages.count
        do throws(WireError) {
            while !isClosed, let payload = try reader.next() {
                switch state {
                case .open(let peer, _):
                    try FrameReader.decode(payload, in: peer.version, into: &messages)
                    whole = messages.count
                case .greeting:
                    try greeted(Handshake.decode(payload), context)
                case .doubting, .noting: throw .invalid("handshake: nothing comes before the welcome")
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
            // A pending node may only ask to be admitted.
            if peer.node.isPending { messages.removeAll { !$0.isForPendingNodes } }
            if !messages.isEmpty { server.deliver(peer.node, messages) }
            traffic.note()
            messages.removeAll(keepingCapacity: messages.count <= Self.keptMessages)
        } else if case .open(let peer, _) = state, NIODeadline.now() - noted >= Self.readingInterval {
            // The burst completed no message: a long one is arriving, and everything else waits behind it.
            noted = .now()
            traffic.note()
            if !peer.node.isPending { server.reading(peer.node) }
        }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch state {
        case .greeting, .doubting, .noting:
            endWaiting()
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
        deadline.cancel()
        let rivals = server.rivals(of: peer)
        guard !rivals.isEmpty else { return try admit(peer, shard, context) }
        look(Doubt(peer: peer, shard: shard, rivals: rivals), context)
    }

    /// A hello that came while another process of the same store was connected.
    private struct Doubt {
        let peer: Introduction
        let shard: ShardPosition
        let rivals: [PeerServer.Link]
        /// The traffic of all rivals at the last check.
        var heard: Int
        var looks = 0
        var quietLooks = 0

        init(peer: Introduction, shard: ShardPosition, rivals: [PeerServer.Link]) {
            self.peer = peer
            self.shard = shard
            self.rivals = rivals
            heard = Self.traffic(of: rivals)
        }

        /// Checks the rivals' traffic again.
        mutating func look() {
            looks += 1
            let before = heard
            heard = Self.traffic(of: rivals)
            quietLooks = heard == before ? quietLooks + 1 : 0
        }

        private static func traffic(of links: [PeerServer.Link]) -> Int { links.reduce(0) { $0 + $1.traffic.count } }
    }

    /// Watches the rivals. A peer that restarts may be faster than the end of its former connections is noticed. But if
    /// the former process still speaks, two processes run with one store or with copies of it, and the first one stays.
    private func look(_ doubt: Doubt, _ context: ChannelHandlerContext) {
        state = .doubting(
            context.eventLoop.assumeIsolated().scheduleTask(in: Self.doubt.pause) {
                guard case .doubting = self.state else { return }
                var doubt = doubt
                doubt.look()
                let isGone = !doubt.rivals.contains { $0.channel.isActive }
                if !isGone, doubt.looks >= Self.doubt.looks {
                    let address = self.subject(context.channel)
                    return self.refuse(
                        printable(doubt.peer.nodeID), self.objection(toSecond: doubt.peer, at: address),
                        in: doubt.peer.version, context.channel)
                }
                guard isGone || doubt.quietLooks >= Self.doubt.quietLooks else { return self.look(doubt, context) }
                do throws(WireError) {
                    try self.admit(doubt.peer, doubt.shard, context)
                } catch {
                    self.failed(error, context)
                }
            })
    }

    private func objection(toSecond peer: Introduction, at address: String) -> Objection {
        let id = printable(peer.nodeID)
        return Objection(
            .secondProcess,
            """
            \(id) runs already and is in touch with \(server.policy.current.introduction.nodeID), and a second process \
            says from \(address) that it is \(id): a node's data is used by one process, and is not copied to make another \
            node; stop the one that is not wanted
            """)
    }

    private func admit(
        _ peer: Introduction, _ shard: ShardPosition, _ context: ChannelHandlerContext
    ) throws(WireError) {
        switch server.policy.verdict(on: peer, loop: context.eventLoop, { $0.objection(to: peer) }) {
        case .known(let objection): try admit(peer, shard, objection, context)
        case .later(let verdict):
            state = .noting
            verdict.assumeIsolated().whenSuccess { objection in
                guard case .noting = self.state else { return }
                do throws(WireError) {
                    try self.admit(peer, shard, objection, context)
                } catch {
                    self.failed(error, context)
                }
            }
        }
    }

    private func admit(
        _ peer: Introduction, _ shard: ShardPosition, _ objection: Objection?, _ context: ChannelHandlerContext
    ) throws(WireError) {
        if let objection {
            return refuse(printable(peer.nodeID), objection, in: peer.version, context.channel)
        }
        let welcome = try Handshake.welcome(server.policy.introduction(in: peer.version)).frame()
        state = .open(peer, shard: shard.index)
        reader.maximumPayload = FrameLimits.payload
        server.accepted(context.channel, from: peer, shard: shard.index, traffic)
        server.reasons.forget(name(of: peer.nodeID))
        server.logger.debug("\(peer.nodeID) has connected (shard \(shard.index) of \(shard.count))")
        context.writeAndFlush(NIOAny(welcome), promise: nil)
        server.connected(peer)
    }

    private func failed(_ error: WireError, _ context: ChannelHandlerContext) {
        switch (state, error) {
        case (.greeting, .protocolVersion):
            refuse(
                nil,
                "\(error); run the same version of kv on all nodes, or versions that can work together",
                context.channel)
        case (.open(let peer, let shard), _):
            server.reasons.say(
                "closing the connection from \(peer.nodeID): \(error); if this comes again, check that both nodes run "
                    + "the same version of kv, and the network between them",
                of: name(of: peer.nodeID))
            // Messages before the error are good.
            channelReadComplete(context: context)
            server.closed(context.channel, from: peer, shard: shard)
            state = .closed
            context.close(promise: nil)
        default:
            server.reasons.say(
                "closed a connection to the peer port from \(subject(context.channel)): \(error)",
                of: subject(context.channel))
            endWaiting()
            server.closed(context.channel, from: nil, shard: 0)
            state = .closed
            context.close(promise: nil)
        }
    }

    private func endWaiting() {
        switch state {
        case .greeting(let deadline): deadline.cancel()
        case .doubting(let looks): looks.cancel()
        case .idle, .noting, .open, .closed: break
        }
    }

    /// Logs the reason, sends it to the other side, and closes.
    /// - Parameter version: the version of the other side's hello; an unknown one is taken for the lowest.
    private func refuse(
        _ peer: String?, _ objection: Objection, in version: UInt16 = Handshake.versions.lowerBound,
        _ channel: any Channel
    ) {
        endWaiting()
        state = .closed
        server.closed(channel, from: nil, shard: 0)
        let who = peer ?? subject(channel)
        server.reasons.say("refused a connection from \(who): \(objection.text)", of: peer.map(name) ?? who)
        let refused = Handshake.refusal(HandshakeRefusal(objection.code, objection.text))
        guard let refusal = try? refused.frame(refusingIn: version) else { return channel.close(promise: nil) }
        channel.writeAndFlush(refusal).whenComplete { _ in channel.close(promise: nil) }
    }

    /// The subject of reasons about a peer's incoming connections. Reasons about this node's own links have its id as
    /// subject.
    private func name(of peer: String) -> String { "from \(peer)" }

    /// The other side's address without the port, which changes each time.
    private func subject(_ channel: any Channel) -> String { channel.remoteAddress?.ipAddress ?? "an unknown address" }
}

extension PeerMessage {
    /// True for a message that a node may send that is not a member.
    fileprivate var isForPendingNodes: Bool {
        guard case .node(.cluster(let message)) = self else { return false }
        switch message {
        case .announce, .topologyWanted: return true
        case .topology, .topologyChanges, .report, .prepared, .control, .controlReply: return false
        }
    }
}
