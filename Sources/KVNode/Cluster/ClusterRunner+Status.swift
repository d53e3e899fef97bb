import KVCore

// The state of the membership, for clients.

extension ClusterRunner {
    /// Notes how far a peer's store has come on disk. Called on any loop.
    func advanced(_ peer: NodeNumber, shard: Int, to batch: UInt64) {
        parts.directory.peers.advanced(peer, shard: shard, to: batch)
    }

    /// Writes the peers' progress to disk if it is new: a link has ended, or a while has passed. Called on any loop.
    func keepProgress() {
        let peers = parts.directory.peers
        guard peers.beginKeepingProgress() else { return }
        parts.pool.submit { [self] state in
            guard state == .active, let failure = peers.keepProgress() else { return }
            parts.logger.warning("\(failure)")
        }
    }

    struct Snapshot: Sendable {
        var topology: Topology
        var liveness: [NodeNumber: Liveness]
        var pendingNodes: [PendingNode]
        var plan: PlanStatus?
    }

    func snapshot() -> Snapshot {
        loop.assertInEventLoop()
        let topology = machine.topology
        var liveness = [parts.node.number: Liveness.alive]
        for member in topology.members where member.number != parts.node.number {
            liveness[member.number] = swim.liveness(of: member.number) ?? .alive
        }
        return Snapshot(
            topology: topology, liveness: liveness, pendingNodes: machine.pendingNodes, plan: machine.planStatus())
    }
}
