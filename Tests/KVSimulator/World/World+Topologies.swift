import KVCore

// The way of topologies to the nodes: over the same network as all messages, so that some come late or never, and to
// the disk before a node acts on them.

extension World {
    /// The nodes that have a topology, and are not gone.
    var admitted: [Node] { nodes.filter { $0.topology != nil && !$0.isGone } }

    /// Makes a topology the chosen one, and tells a process of it.
    func publish(_ next: Topology) {
        topology = next
        statistics[.topologies] += 1
        trace.line(time, "epoch \(next.epoch) is chosen: \(next.assignments.map(\.summary).joined(separator: ", "))")
        trace.fold(time, next.epoch, 3)
        tellSomebody()
    }

    /// Gives the newest topology to a process, which sends it to some or all of the others.
    func tellSomebody() {
        let running = admitted.filter { $0.process != nil }
        guard !running.isEmpty else { return }
        let node = running[moveRandom.below(running.count)]
        let topology = topology
        give(.input(.message(from: node.number, .node(.cluster(.topology(topology))))), to: node.index)
        for peer in admitted where peer !== node && (isHealed || moveRandom.chance(scenario.broadcast)) {
            send(from: node.index, to: peer.index, .node(.cluster(.topology(topology))))
        }
    }

    func receive(_ message: ClusterMessage, from peer: NodeNumber, _ node: Node, _ process: Process) {
        switch message {
        case .topology(let topology): learn(topology, node, process)
        case .topologyWanted(let epoch):
            guard process.topology.epoch > epoch else { return }
            send(from: node.index, to: peer, .node(.cluster(.topology(process.topology))))
        default: break
        }
    }

    private func learn(_ topology: Topology, _ node: Node, _ process: Process) {
        guard topology.epoch > newestEpoch(node, process) else { return }
        process.wanted = topology
        persistNext(node, process)
    }

    /// Of the topology that the node goes by, has on disk although its shards have yet to hear of it, or is to have.
    private func newestEpoch(_ node: Node, _ process: Process) -> Epoch {
        max(
            process.topology.epoch, node.topology?.epoch ?? 0, process.persisting?.epoch ?? 0,
            process.wanted?.epoch ?? 0)
    }

    private func persistNext(_ node: Node, _ process: Process) {
        guard process.persisting == nil, let topology = process.wanted else { return }
        process.wanted = nil
        process.persisting = topology
        queue.push(.persisted(node.index, boot: process.boot), at: time + diskDelay(node))
    }

    func persisted(_ node: Node, _ boot: UInt64) {
        guard let process = node.process, process.boot == boot, let topology = process.persisting else { return }
        write(topology, process.changes, to: node)
        (process.persisting, process.changes) = (nil, nil)
        guard process.cluster == nil else {
            return give(.cluster(.persisted(topology.epoch)), to: node.index)
        }
        giveAll(.input(.topology(topology)), to: node.index)
        persistNext(node, process)
    }

    /// Writes a topology to a node's disk, or only what makes it of the one that is there.
    func write(_ topology: Topology, _ changes: [TopologyChange]?, to node: Node) {
        statistics[changes == nil ? .wholeTopologies : .changedTopologies] += 1
        var written = changes == nil ? topology : node.topology
        do throws(TopologyFlaw) {
            for change in changes ?? [] { written = try written?.applying(change) }
        } catch {
            history.add(Violation(.storage, "node \(node.number) cannot read its topology again: \(error)"))
        }
        if written != topology {
            history.add(Violation(.storage, "node \(node.number) has another epoch \(topology.epoch) on its disk"))
        }
        node.topology = written
    }

    /// Asks a peer for its later topology, unless the process has just asked.
    func pull(_ epoch: Epoch, from peer: NodeNumber, _ node: Node, _ process: Process) {
        guard process.cluster == nil else {
            return give(.cluster(.epochSeen(epoch, at: peer)), to: node.index)
        }
        guard epoch > newestEpoch(node, process), peer != node.number, time >= process.lastPull + 20_000_000 else {
            return
        }
        process.lastPull = time
        send(from: node.index, to: peer, .node(.cluster(.topologyWanted(above: process.topology.epoch))))
    }
}

extension Assignment {
    var summary: String {
        let present = replicas.map { "\($0)" }.joined(separator: " ")
        guard let next else { return present }
        return present + " -> " + next.map { "\($0)" }.joined(separator: " ")
    }
}
