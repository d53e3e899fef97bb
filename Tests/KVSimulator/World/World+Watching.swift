import KVCore

// The way in which processes know of each other: by the handshakes of their connections, and by failure detectors.

extension World {
    func startWatch(_ node: Node, _ process: Process) {
        guard let interval = scenario.probeInterval else { return }
        let now = node.clock.now(time).monotonic
        var watch = SwimWatch(
            me: node.number, boot: process.boot, interval: interval, machines: nodes.count, seed: loopRandom.next(),
            now: now)
        watch.attends = mutant != .neverAttend
        watch.follow(process.topology, now: now)
        process.watch = watch
    }

    /// Notes a peer's ping, and the epoch of its topology.
    func greet(_ peer: Int, _ boot: UInt64, _ epoch: Epoch, _ node: Node, _ process: Process, _ now: Now) {
        let number = nodes[peer].number
        process.known[peer] = max(process.known[peer] ?? 0, boot)
        if process.cluster == nil, isHealed || moveRandom.chance(scenario.gossip) {
            pull(epoch, from: number, node, process)
        }
        // A process has connections to members only.
        guard process.topology.member(number) != nil else { return }
        if process.cluster != nil {
            if isHealed || moveRandom.chance(scenario.gossip) {
                process.cluster?.handle(.epochSeen(epoch, at: number), now: now)
            }
            if process.greeted.updateValue(boot, forKey: peer) != boot {
                let takesChanges = min(peer, node.index) >= scenario.earlierVersions
                process.cluster?.handle(
                    .storeSeen(number, nodes[peer].storeID, takesChanges: takesChanges), now: now)
            }
        }
        if process.watch != nil {
            process.watch?.heard(
                number, machine: peer, boot: boot, beats: mutant != .ignoreSilence, at: time, now: now.monotonic)
            performWatch(node, process, now)
        } else if process.detector.heard(peer, boot: boot, at: time) {
            report(peer, .up(boot: boot), .alive, node, process, now)
        }
    }

    /// Makes the failure detector suspect a peer: a connection was reset, or a fault wants it.
    func suspectPeer(_ peer: Int, _ until: UInt64, _ node: Node, _ process: Process, _ now: Now) {
        let until = isHealed ? 0 : until
        if process.watch != nil {
            process.watch?.cut(nodes[peer].number, machine: peer, until: until)
            performWatch(node, process, now)
        } else if process.detector.suspect(peer, until: until) {
            report(peer, .down, .suspect, node, process, now)
        }
    }

    func expectJoiningNodes(from before: Topology, to after: Topology, _ process: Process) {
        for member in after.members where before.member(member.number) == nil {
            if let index = machines[member.number] { process.detector.expect(index, at: time) }
        }
    }

    /// Cuts the connections to nodes that are not members any more. They stay for a while, so that requests may end.
    func disconnectRemoved(from before: Topology, to after: Topology, _ node: Node) {
        for member in before.members where after.member(member.number) == nil {
            guard let index = machines[member.number] else { continue }
            self.after(2_000_000_000) { [self] in give(.suspicion(index, until: 0), to: node.index) }
        }
    }

    /// Has the failure detector look at the time. To be called with each timer of the process.
    func checkPeers(of node: Node, _ process: Process, _ now: Now) {
        // The members do not answer a node that has left.
        guard !process.isLeaving else { return }
        if process.watch != nil {
            process.watch?.tick(now: now.monotonic)
            return performWatch(node, process, now)
        }
        for peer in process.detector.silent(at: time) { report(peer, .down, .suspect, node, process, now) }
        for peer in process.detector.dead(at: time) {
            process.cluster?.handle(.liveness(nodes[peer].number, .dead), now: now)
        }
    }

    private func report(
        _ peer: Int, _ condition: PeerCondition, _ liveness: Liveness, _ node: Node, _ process: Process, _ now: Now
    ) {
        trace.line(time, "\(node.number) holds \(nodes[peer].number) to be \(condition)")
        // This detector's pings are as frequent in a large cluster as in a small one.
        process.shard.handle(.attention(nodes[peer].number, true), now: now)
        process.shard.handle(.peer(nodes[peer].number, condition), now: now)
        process.cluster?.handle(.liveness(nodes[peer].number, liveness), now: now)
    }

    func performWatch(_ node: Node, _ process: Process, _ now: Now) {
        let effects = process.watch?.swim.effects ?? []
        process.watch?.swim.effects = []
        for effect in effects {
            switch effect {
            case .send(let peer, let message): gossip(message, from: node, to: peer)
            case .changed(let peer, let liveness):
                trace.line(time, "\(node.number) holds \(peer) to be \(liveness)")
                statistics[liveness == .dead ? .heldDead : .suspected] += liveness == .alive ? 0 : 1
                process.watch?.reachability.liveness(peer, liveness)
                if liveness != .alive { process.watch?.attend(peer, now: now.monotonic) }
                process.cluster?.handle(.liveness(peer, liveness), now: now)
            case .unanswered: statistics[.vouched] += 1
            case .epochSeen(let epoch, let peer):
                if isHealed || moveRandom.chance(scenario.gossip) { pull(epoch, from: peer, node, process) }
            }
        }
        let changes = process.watch?.reachability.effects ?? []
        process.watch?.reachability.effects = []
        for change in changes {
            trace.line(time, "\(node.number) finds \(change)")
            switch change {
            case .up(let peer, let boot): process.shard.handle(.peer(peer, .up(boot: boot)), now: now)
            case .down(let peer): process.shard.handle(.peer(peer, .down), now: now)
            case .attention(let peer, let isAttended):
                process.shard.handle(.attention(peer, isAttended), now: now)
            case .doubt(let doubted):
                statistics[.doubts] += 1
                for member in process.topology.members where member.number != node.number {
                    send(from: node.index, to: member.number, .node(.doubt(doubted)))
                }
            }
        }
    }

    private func gossip(_ message: GossipMessage, from node: Node, to peer: NodeNumber) {
        guard let to = machines[peer] else { return }
        for delivery in network.send(
            from: node.index, to: to, atMostOnce: false, isDatagram: true, now: time)
        {
            queue.push(
                .gossip(from: node.index, to: to, generation: delivery.generation, message), at: delivery.time)
        }
    }

    func isInTouch(_ node: Node, with peer: Node) -> Bool {
        guard let process = node.process else { return false }
        return process.watch?.reachability.isUp(peer.number)
            ?? process.detector.isInTouch(with: peer.index, boot: peer.boot)
    }
}
