import KVCore
import KVWire

// Handles news from handshakes with other members.

extension ClusterRunner {
    /// Handles an introduction of a member. Called on any loop.
    func met(_ introduction: Introduction) {
        guard !introduction.node.isPending else { return }
        let subject = "storage.sync of \(introduction.node)"
        if let warning = parts.policy.current.syncWarning(about: introduction) {
            parts.reasons.say(warning, of: subject)
        } else {
            parts.reasons.forget(subject)
        }
        onLoop { cluster in
            cluster.handle(
                .storeSeen(
                    introduction.node, introduction.store,
                    takesChanges: introduction.version >= Handshake.firstWithChanges))
            cluster.handle(.epochSeen(introduction.epoch, at: introduction.node))
        }
    }

    /// Notes that the first shard's link to a member is up. Called on any loop. A member with an older topology is sent
    /// the present one: so a joining node learns that it has been admitted.
    func linked(to peer: NodeNumber, _ introduction: Introduction) {
        met(introduction)
        onLoop { cluster in
            cluster.agreed(peer)
            cluster.handle(.linked(peer, introduction.epoch))
        }
    }
}
