import KVAPI
import KVCore
import KVWire
import Logging

// The peers that a shard can talk to: its links, and the statuses of the failure detector, which the whole node shares.

extension ShardRunner {
    func linkUp(_ peer: NodeNumber, _ introduction: Introduction) {
        guard !isStopped else { return }
        if index == 0 { cluster?.linked(to: peer, introduction) }
        // A peer that does not know yet that it was admitted has no shards. It connects again once it does.
        guard introduction.node == peer else { return }
        // The clock comes first: a leader must know the clocks of the majority that it counts.
        if introduction.version >= Handshake.firstWithHeartbeats { clock.heard(peer, wall: introduction.wall) }
        reachability.linkUp(
            peer, boot: introduction.boot, beats: introduction.version >= Handshake.firstWithHeartbeats,
            now: Clock.monotonic)
        news.forget(peer)
        progress.forget(peer)
        performReachability()
    }

    func linkDown(_ peer: NodeNumber) {
        reachability.linkDown(peer)
        performReachability()
        // If the peer's process has ended, an older copy of its store may be started next.
        if !isStopped { cluster?.keepProgress() }
    }

    /// Forgets a node that is no member any more.
    func forget(_ peer: NodeNumber) {
        reachability.forget(peer)
        usages[peer] = nil
        news.forget(peer)
        progress.forget(peer)
    }

    /// The number of timers, about a minute, after which the progress of connected peers is written to disk.
    static let keptEvery = 6000

    /// Tells a few peers how far this shard's store has come on disk.
    func tellProgress() {
        guard let links else { return }
        let batch = store.syncedBatch
        let message = NodeMessage.progress(shard: UInt16(truncatingIfNeeded: index), batch: batch)
        // Peers of the previous version do not know the message.
        let told = progress.next(batch) {
            links.peers.filter { links[$0]?.isUp == true && reachability.sendsHeartbeats($0) }
        }
        for peer in told { links[peer]?.send(.node(message)) }
    }

    /// Tells a peer that is being sent a message of the shard what there is to tell of the node: one frame takes both.
    func tellOfNode(_ peer: NodeNumber, _ link: PeerLink) {
        guard link.isUp else { return }
        let messages = news.next(
            for: peer, wall: reachability.sendsHeartbeats(peer) ? Clock.machineWall : nil, usage: status.usage,
            now: turn.monotonic)
        for message in messages { link.send(.node(message)) }
    }

    /// Sends a message to all peers except those of the previous version, which do not know it.
    func tell(_ message: NodeMessage) {
        guard let links else { return }
        for peer in links.peers where reachability.sendsHeartbeats(peer) { links[peer]?.send(.node(message)) }
    }

    /// Handles a status from the failure detector.
    func learn(_ liveness: Liveness, of peer: NodeNumber) {
        guard !isStopped else { return }
        reachability.liveness(peer, liveness)
        if liveness != .alive { reachability.attend(peer, now: Clock.monotonic) }
        performReachability()
        // Requests that were under way over the link have just been given up.
        switch liveness {
        case .alive: links?[peer]?.reconnectNow()
        case .suspect, .dead:
            guard !reachability.sendsHeartbeats(peer) || reachability.isSilent(peer) else { return }
            links?[peer]?.renew("it does not answer")
        }
    }

    /// Notes that a long message of a peer is arriving: the peer is alive although no whole message comes from it.
    func reading(from peer: NodeNumber) {
        guard !isStopped, !isAbstaining else { return }
        reachability.heard(peer, now: Clock.monotonic)
        performReachability()
        handle(.reading(from: peer))
    }

    /// Looks at the time, and attends to the peers that this shard has had something to do with since the last call.
    func reviewPeers(_ now: Instant) {
        if reachability.pace.isReduced, let links {
            for peer in links.peers where links[peer]?.isUsed == true {
                links[peer]?.isUsed = false
                reachability.attend(peer, now: now)
            }
        }
        reachability.tick(now: now)
        performReachability()
    }

    /// Attends to a peer for another node's sake, or the failure detector's.
    /// - Parameter isDoubted: another node waits for it.
    func attend(_ peer: NodeNumber, isDoubted: Bool) {
        guard !isStopped, peer != node.number else { return }
        reachability.attend(peer, isDoubted: isDoubted, now: Clock.monotonic)
        performReachability()
    }

    /// Tells the failure detector which peers this shard hears over connections.
    func vouch() {
        // Whoever was heard a moment ago and has lost its connection since may be dead.
        let heard =
            links?.peers.filter { peer in
                reachability.isUp(peer) && reachability.isHeard(peer, within: Reachability.lately)
            } ?? []
        if !heard.isEmpty { cluster?.vouch(for: heard) }
    }

    /// Tells the machine that a peer is in touch. Heartbeats and relaying came with the same version of the protocol.
    func tellUp(_ peer: NodeNumber, _ boot: UInt64) {
        guard !isAbstaining else { return }
        handle(.peer(peer, .up(boot: boot, relays: reachability.sendsHeartbeats(peer))))
    }

    private static let silent: Logger.Message = """
        out of touch: this node's connection to it stands, and nothing comes from it; if it runs, let TCP pass from it to \
        this node's peer address
        """

    func performReachability() {
        guard !reachability.effects.isEmpty else { return }
        let effects = reachability.effects
        reachability.effects = []
        for effect in effects {
            switch effect {
            case .up(let peer, let boot):
                logger.info("in touch", metadata: ["node": "\(name(of: peer))"])
                tellUp(peer, boot)
            case .down(let peer):
                let isSilent = links?[peer]?.isUp == true && !reachability.isHeard(peer, within: Reachability.silence)
                logger.warning(isSilent ? Self.silent : "out of touch", metadata: ["node": "\(name(of: peer))"])
                if !isAbstaining { handle(.peer(peer, .down)) }
                if isSilent, !reachability.holdsAlive(peer) { links?[peer]?.renew("it does not answer") }
            case .attention(let peer, let isAttended): handle(.attention(peer, isAttended))
            case .doubt(let peer):
                tell(.doubt(peer))
                cluster?.doubted(peer)
            }
        }
    }

    /// Sends a message about membership over this shard's links.
    func send(_ message: EncodedMessage, to peer: NodeNumber) {
        links?[peer]?.send(message)
        scheduleTick()
    }

    func name(of node: NodeNumber) -> String { names[node] }

    /// The address to redirect a client to; nil when this node executes or forwards the request.
    func redirect(_ request: Request) -> Address? {
        guard let leader = shard.leader(of: request.partition), leader != node.number else { return nil }
        if request.consistency == .stale, case .get = request.command, shard.holds(request.partition) { return nil }
        return names.client(of: leader)
    }

    // MARK: Messages

    func deliver(from peer: NodeNumber, _ messages: [PeerMessage]) {
        guard !isStopped else { return }
        let now = readClock()
        reachability.heard(peer, now: now.monotonic)
        if !reachability.effects.isEmpty { performReachability() }
        // The peer can be reached again, so do not wait for the next attempt.
        if let link = links?[peer], !link.isUp { link.reconnectNow() }
        guard !isAbstaining else { return }
        prefetch(for: messages)
        if messages.contains(where: \.isAboutPartitions) { links?[peer]?.isUsed = true }
        for message in messages {
            if case .node(let message) = message {
                receive(message, from: peer)
            } else {
                shard.handle(.message(from: peer, message), now: now)
            }
        }
        scheduleTick()
    }

    private func receive(_ message: NodeMessage, from peer: NodeNumber) {
        switch message {
        case .usageReport(let usage): usages[peer] = usage
        case .progress(let shard, let batch): cluster?.advanced(peer, shard: Int(shard), to: batch)
        case .clock(let wall): clock.heard(peer, wall: wall)
        case .doubt(let doubted): cluster?.doubted(doubted)
        case .cluster(let message): cluster?.receive(message, from: peer)
        }
    }

    private func prefetch(for messages: [PeerMessage]) {
        guard messages.count > 1 else { return }
        for message in messages {
            guard case .replica(let header, .accept(let key, _)) = message else { continue }
            expected.append((header.partition, KeyHash(key)))
        }
        prefetch()
    }
}
