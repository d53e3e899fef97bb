import KVCore
import KVWire

// What handshakes with other members tell.

extension ClusterRunner {
    /// Of a handshake in which a member introduced itself; on any loop.
    func met(_ introduction: Introduction) {
        guard !introduction.node.isPending else { return }
        let subject = "storage.sync of \(introduction.node)"
        if let warning = parts.policy.current.syncWarning(about: introduction) {
            parts.reasons.say(warning, of: subject)
        } else {
            parts.reasons.forget(subject)
        }
        onLoop { cluster in
            cluster.handle(.storeSeen(introduction.node, introduction.store))
            cluster.handle(.epochSeen(introduction.epoch, at: introduction.node))
        }
    }

    /// The first shard's link to a member stands; on any loop. Whoever goes by an older topology is sent the present
    /// one: so a joining node learns that it has been admitted.
    func linked(to peer: NodeNumber, _ introduction: Introduction) {
        met(introduction)
        onLoop { cluster in
            cluster.agreed(peer)
            let topology = cluster.machine.topology
            if introduction.epoch < topology.epoch { cluster.send(.topology(topology), to: peer) }
        }
    }
}
