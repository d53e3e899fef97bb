/// A message between failure detectors. Each is one datagram, which may be lost, duplicated or reordered.
package struct GossipMessage: Hashable, Sendable {
    package var kind: Kind
    /// The sender's incarnation.
    package var incarnation: UInt64
    /// The epoch of the sender's topology.
    package var epoch: Epoch
    /// News about members, in no order.
    package var updates: [GossipUpdate]

    package enum Kind: Hashable, Sendable {
        /// Asks for an `ack` of the same sequence.
        case ping(sequence: UInt32)
        /// Asks the receiver to `ping` the target on the sender's behalf. The receiver passes the target's `ack` on, or
        /// sends a `nack` if none has come.
        case pingRequest(sequence: UInt32, target: NodeNumber)
        /// Answers a `ping` or a `pingRequest`: the member that was asked about is alive.
        case ack(sequence: UInt32)
        /// Answers a `pingRequest`: the target has not answered so far. It shows that the sender itself is in touch.
        case nack(sequence: UInt32)
        /// Carries updates and asks for no answer.
        case gossip
    }

    package init(kind: Kind, incarnation: UInt64, epoch: Epoch, updates: [GossipUpdate] = []) {
        self.kind = kind
        self.incarnation = incarnation
        self.epoch = epoch
        self.updates = updates
    }
}

/// News about a member: its liveness as the source sees it.
package struct GossipUpdate: Hashable, Sendable {
    /// The member that the news is about.
    package var node: NodeNumber
    /// The incarnation of `node` that this is about. Of two updates, the one about the higher incarnation holds.
    package var incarnation: UInt64
    package var liveness: Liveness
    /// The node that the news comes from originally. Suspicions by different nodes confirm each other.
    package var source: NodeNumber

    package init(node: NodeNumber, incarnation: UInt64, liveness: Liveness, source: NodeNumber) {
        self.node = node
        self.incarnation = incarnation
        self.liveness = liveness
        self.source = source
    }
}

extension GossipMessage {
    /// The largest datagram, in bytes, that is not fragmented on its way: it fits the smallest MTU of a usual path with
    /// the headers of IP and UDP.
    package static let maximumSize = 1400
    /// The size of a message without updates, in bytes, its authentication included (docs/wire-format.md).
    package static let emptySize = 64
    /// The size of one update, in bytes.
    package static let updateSize = 13
    /// The number of updates that fit into a datagram.
    package static let maximumUpdates = (maximumSize - emptySize) / updateSize

    /// The size of the message's datagram, in bytes.
    package var size: Int { Self.emptySize + updates.count * Self.updateSize }
}
