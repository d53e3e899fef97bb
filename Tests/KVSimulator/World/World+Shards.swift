import KVCore

// The way of inputs to the shards of a node, and of their messages to those of others.

extension World {
    typealias Runner = SimulatedRunner<Driver.Store>

    /// A node as traces name it, and the shard if the node has several.
    func name(_ node: Node, _ runner: Runner) -> String {
        node.process?.runners.count ?? 1 > 1 ? "\(node.number)/\(runner.index)" : "\(node.number)"
    }

    /// Which shard of a node has which partition.
    func shardMap(_ topology: Topology, count: Int) -> ShardMap {
        // With the mutant every partition counts as one that the cluster was created with.
        mutant == .scatterSplits
            ? ShardMap(founding: SlotMap(founding: Slot.count), count: count)
            : ShardMap(topology.settings, count: count)
    }

    // MARK: Inputs

    /// Puts an item into the inbox of a shard of a node's process. It is lost if none runs.
    func give(_ item: Runner.Item, to index: Int, shard: Int = 0) {
        let node = nodes[index]
        guard let process = node.process, shard < process.runners.count else { return }
        process.runners[shard].inbox.append(item)
        wake(node, process, process.runners[shard])
    }

    /// Puts an item into the inboxes of all shards of a node's process.
    func giveAll(_ item: Runner.Item, to index: Int) {
        guard let process = nodes[index].process else { return }
        for shard in process.runners.indices { give(item, to: index, shard: shard) }
    }

    /// Gives a request to the shard that has its partition.
    func give(_ request: KVCore.Request, to node: Node, _ process: Process) {
        give(.request(request), to: node.index, shard: process[request.partition].index)
    }

    func wake(_ node: Node, _ process: Process, _ runner: Runner) {
        guard !runner.tickIsScheduled, node.pauses == 0, runner.pauses == 0 else { return }
        runner.tickIsScheduled = true
        var delay = 1000 + loopRandom.below(Self.loopDelay)
        // Where there are several event loops, one may be busy while others are not.
        if process.runners.count > 1, !isHealed, loopRandom.chance(0.02) { delay += loopRandom.below(Self.busyLoop) }
        queue.push(.tick(node.index, shard: runner.index, boot: process.boot), at: time + delay)
    }

    private static var busyLoop: UInt64 { 20_000_000 }

    /// Gives a message of a peer to the shards that it is for.
    func deliver(_ message: PeerMessage, from: Int, to: Int) {
        guard let process = nodes[to].process else { return }
        let item = Runner.Item.input(.message(from: nodes[from].number, message))
        switch destination(of: message, from, process) {
        case .shard(let shard): give(item, to: to, shard: shard)
        case .all: giveAll(item, to: to)
        }
    }

    private func destination(of message: PeerMessage, _ from: Int, _ process: Process) -> PeerMessage.Destination {
        switch (mutant, message) {
        case (.routeByPeer, .replica), (.routeByPeer, .request):
            let count = nodes[from].process?.runners.count ?? process.runners.count
            guard case .shard(let shard) = message.destination(shardMap(topology, count: count)) else { return .all }
            return .shard(min(shard, process.runners.count - 1))
        case (.replyToFirst, .reply), (.tellFirst, .shards): return .shard(0)
        default: return message.destination(process.map)
        }
    }

    // MARK: Messages

    /// Sends a message of a shard over its connection.
    func send(from node: Node, _ runner: Runner, to number: NodeNumber, _ message: PeerMessage) {
        guard let to = machines[number] else { return }
        send(from: node.index, shard: runner.index, to: to, renamed(message))
    }

    private func renamed(_ message: PeerMessage) -> PeerMessage {
        guard mutant == .nameFirst, case .shards(.leaderships(let epoch, var update)) = message else { return message }
        update.shard = 0
        return .shards(.leaderships(epoch: epoch, update))
    }

    /// Sends a message about the node as a whole, over the first shard's connection.
    func send(from: Int, to number: NodeNumber, _ message: PeerMessage) {
        if case .node(.cluster(.topology(let topology))) = message { findMachines(of: topology) }
        if let to = machines[number] { send(from: from, to: to, message) }
    }

    func send(from: Int, shard: Int = 0, to: Int, _ message: PeerMessage) {
        statistics[.messages] += 1
        trace.fold(time, UInt64(from * 16 + to | shard << 32), message.fingerprint)
        guard from != to else {
            return queue.push(.arrival(from: from, shard: shard, to: to, generation: 0, message), at: time + 1000)
        }
        guard haveMet(from, to, shard: shard) else { return statistics[.dropped] += 1 }
        let deliveries = network.send(
            from: from, to: to, shard: shard, atMostOnce: message.isAtMostOnce, now: time)
        if deliveries.isEmpty { statistics[.dropped] += 1 }
        for delivery in deliveries {
            queue.push(
                .arrival(from: from, shard: shard, to: to, generation: delivery.generation, message),
                at: delivery.time)
        }
    }

    /// True if a message may pass between the present processes of two machines. The product rests on this where a
    /// power loss may take what a process has said: two processes shake hands before they exchange messages, and after
    /// the handshake with a machine's next process, messages to and from the earlier one do not arrive any more.
    ///
    /// - Parameter shard: The shard whose connection is to take the message. Nil at the receiver: after the first
    ///   handshake with a peer's next process, the node closes all connections of the one before.
    func haveMet(_ observer: Int, _ peer: Int, shard: Int? = nil) -> Bool {
        guard scenario.losesUnsynced else { return true }
        guard let process = nodes[observer].process else { return false }
        let known = shard.map { $0 < process.runners.count ? process.runners[$0].known[peer] : nil }
        return (known ?? process.known[peer]) == nodes[peer].process?.boot
    }
}
