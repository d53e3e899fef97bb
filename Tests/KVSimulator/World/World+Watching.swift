import KVCore

// The way in which processes know of each other: by the handshakes of their connections, and by failure detectors.

extension World {
    func startWatch(_ node: Node, _ process: Process) {
        guard let interval = scenario.probeInterval else { return }
        let now = node.clock.now(time).monotonic
        var watch = SwimWatch(
            me: node.number, boot: process.boot, interval: interval, seed: loopRandom.next(), now: now)
        watch.follow(process.topology, now: now)
        process.watch = watch
        for runner in process.runners {
            var links = LinkWatch(machines: nodes.count, attends: mutant != .neverAttend, now: now)
            links.follow(runner.topology)
            runner.links = links
        }
    }

    /// Notes a peer's ping, and the epoch of its topology.
    func greet(_ peer: Int, _ ping: Ping, _ node: Node, _ process: Process, _ runner: Runner, _ now: Now) {
        let (boot, epoch) = (ping.boot, ping.epoch)
        let number = nodes[peer].number
        process.known[peer] = max(process.known[peer] ?? 0, boot)
        runner.known[peer] = max(runner.known[peer] ?? 0, boot)
        if runner.isFirst, process.cluster == nil, isHealed || moveRandom.chance(scenario.gossip) {
            pull(epoch, from: number, node, process)
        }
        // A process has connections to members only.
        guard runner.topology.member(number) != nil else { return }
        if runner.isFirst, process.cluster != nil {
            if isHealed || moveRandom.chance(scenario.gossip) {
                process.cluster?.handle(.epochSeen(epoch, at: number), now: now)
            }
            if process.greeted.updateValue(boot, forKey: peer) != boot {
                let takesChanges = min(peer, node.index) >= scenario.earlierVersions
                process.cluster?.handle(
                    .storeSeen(number, nodes[peer].storeID, takesChanges: takesChanges), now: now)
            }
        }
        guard ping.accepts else { return }
        if runner.links != nil {
            runner.links?.heard(
                number, machine: peer, boot: boot, beats: mutant != .ignoreSilence, at: time, now: now.monotonic)
            performWatch(node, process, runner, now)
        } else if runner.detector.heard(peer, boot: boot, at: time) {
            report(peer, .up(boot: boot), .alive, node, process, runner, now)
        }
    }

    /// Has a shard hold a peer for down: a connection was reset, or a fault wants it.
    func suspectPeer(_ peer: Int, _ until: UInt64, _ node: Node, _ process: Process, _ runner: Runner, _ now: Now) {
        let until = isHealed ? 0 : until
        if runner.links != nil {
            runner.links?.cut(nodes[peer].number, machine: peer, until: until)
            performWatch(node, process, runner, now)
        } else if runner.detector.suspect(peer, until: until) {
            report(peer, .down, .suspect, node, process, runner, now)
        }
    }

    func expectJoiningNodes(from before: Topology, to after: Topology, _ runner: Runner) {
        for member in after.members where before.member(member.number) == nil {
            if let index = machines[member.number] { runner.detector.expect(index, at: time) }
        }
    }

    /// Cuts a shard's connections to nodes that are not members any more. They stay for a while, so that requests may
    /// end.
    func disconnectRemoved(from before: Topology, to after: Topology, _ node: Node, _ runner: Runner) {
        let shard = runner.index
        for member in before.members where after.member(member.number) == nil {
            guard let index = machines[member.number] else { continue }
            self.after(2_000_000_000) { [self] in give(.suspicion(index, until: 0), to: node.index, shard: shard) }
        }
    }

    /// Has the failure detector look at the time. To be called with each timer of the shard.
    func checkPeers(of node: Node, _ process: Process, _ runner: Runner, _ now: Now) {
        // The members do not answer a node that has left.
        guard !process.isLeaving else { return }
        if runner.links != nil {
            runner.links?.tick(now: now.monotonic)
            if runner.isFirst { process.watch?.tick(runner.links, now: now.monotonic) }
            return performWatch(node, process, runner, now)
        }
        for peer in runner.detector.silent(at: time) {
            report(peer, .down, .suspect, node, process, runner, now)
        }
        for peer in runner.detector.dead(at: time) where runner.isFirst {
            process.cluster?.handle(.liveness(nodes[peer].number, .dead), now: now)
        }
    }

    private func report(
        _ peer: Int, _ condition: PeerCondition, _ liveness: Liveness, _ node: Node, _ process: Process,
        _ runner: Runner, _ now: Now
    ) {
        trace.line(time, "\(name(node, runner)) holds \(nodes[peer].number) to be \(condition)")
        // This detector's pings are as frequent in a large cluster as in a small one.
        runner.shard.handle(.attention(nodes[peer].number, true), now: now)
        runner.shard.handle(.peer(nodes[peer].number, condition), now: now)
        if runner.isFirst { process.cluster?.handle(.liveness(nodes[peer].number, liveness), now: now) }
    }

    func performWatch(_ node: Node, _ process: Process, _ runner: Runner, _ now: Now) {
        if runner.isFirst { performSwim(node, process, runner, now) }
        let changes = runner.links?.reachability.effects ?? []
        runner.links?.reachability.effects = []
        for change in changes {
            trace.line(time, "\(name(node, runner)) finds \(change)")
            switch change {
            case .up(let peer, let boot): runner.shard.handle(.peer(peer, .up(boot: boot)), now: now)
            case .down(let peer): runner.shard.handle(.peer(peer, .down), now: now)
            case .attention(let peer, let isAttended):
                runner.shard.handle(.attention(peer, isAttended), now: now)
            case .doubt(let doubted):
                statistics[.doubts] += 1
                for member in process.topology.members where member.number != node.number {
                    send(from: node, runner, to: member.number, .node(.doubt(doubted)))
                }
                tellOthers(than: runner, .doubt(doubted), node, process)
            }
        }
    }

    private func performSwim(_ node: Node, _ process: Process, _ first: Runner, _ now: Now) {
        let effects = process.watch?.swim.effects ?? []
        process.watch?.swim.effects = []
        for effect in effects {
            switch effect {
            case .send(let peer, let message): gossip(message, from: node, to: peer)
            case .changed(let peer, let liveness):
                trace.line(time, "\(node.number) holds \(peer) to be \(liveness)")
                statistics[liveness == .dead ? .heldDead : .suspected] += liveness == .alive ? 0 : 1
                learn(liveness, of: peer, first, now)
                tellOthers(than: first, .liveness(peer, liveness), node, process)
                process.cluster?.handle(.liveness(peer, liveness), now: now)
            case .unanswered: statistics[.vouched] += 1
            case .epochSeen(let epoch, let peer):
                if isHealed || moveRandom.chance(scenario.gossip) { pull(epoch, from: peer, node, process) }
            }
        }
    }

    /// Handles an opinion of the node's failure detector.
    func learn(_ liveness: Liveness, of peer: NodeNumber, _ runner: Runner, _ now: Now) {
        runner.links?.reachability.liveness(peer, liveness)
        if liveness != .alive { runner.links?.attend(peer, now: now.monotonic) }
    }

    /// Puts an item into the inboxes of the other shards of a process.
    func tellOthers(than runner: Runner, _ item: Runner.Item, _ node: Node, _ process: Process) {
        for other in process.runners where other !== runner {
            other.inbox.append(item)
            wake(node, process, other)
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

    /// True if all shards of a node are in touch with a peer.
    func isInTouch(_ node: Node, with peer: Node) -> Bool {
        guard let process = node.process else { return false }
        return process.runners.allSatisfy { runner in
            runner.links?.reachability.isUp(peer.number)
                ?? runner.detector.isInTouch(with: peer.index, boot: peer.boot)
        }
    }
}
