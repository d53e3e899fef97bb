/// What failure detectors say to each other, each message a datagram: it may be lost, doubled and overtaken.
package struct GossipMessage: Hashable, Sendable {
    package var kind: Kind
    /// The sender's own.
    package var incarnation: UInt64
    /// Of the topology that the sender goes by.
    package var epoch: Epoch
    /// News about members, in no order.
    package var updates: [GossipUpdate]

    package enum Kind: Hashable, Sendable {
        /// Asks for an `ack` of the same sequence.
        case ping(sequence: UInt32)
        /// Asks to `ping` the target on the sender's behalf and to pass its answer on, or else to send a `nack`.
        case pingRequest(sequence: UInt32, target: NodeNumber)
        case ack(sequence: UInt32)
        /// The target of a `pingRequest` has not answered so far; whoever says so is itself well.
        case nack(sequence: UInt32)
        /// Asks for nothing.
        case gossip
    }

    package init(kind: Kind, incarnation: UInt64, epoch: Epoch, updates: [GossipUpdate] = []) {
        self.kind = kind
        self.incarnation = incarnation
        self.epoch = epoch
        self.updates = updates
    }
}

/// An opinion of a member.
package struct GossipUpdate: Hashable, Sendable {
    package var node: NodeNumber
    /// The incarnation of `node` that this is about: of two opinions, that of the higher one holds.
    package var incarnation: UInt64
    package var liveness: Liveness
    /// Who formed it. Suspicions by different nodes confirm each other.
    package var source: NodeNumber

    package init(node: NodeNumber, incarnation: UInt64, liveness: Liveness, source: NodeNumber) {
        self.node = node
        self.incarnation = incarnation
        self.liveness = liveness
        self.source = source
    }
}

extension GossipMessage {
    /// What a datagram may have, so that it is never cut up on its way: the path's least MTU, less IP's and UDP's
    /// headers.
    package static let maximumSize = 1400
    /// Of a message without updates and of each update, in bytes, authenticated: docs/wire-format.md.
    package static let emptySize = 64
    package static let updateSize = 13
    /// What fits.
    package static let maximumUpdates = (maximumSize - emptySize) / updateSize

    /// Bytes of its datagram.
    package var size: Int { Self.emptySize + updates.count * Self.updateSize }
}
