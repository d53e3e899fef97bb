/// What failure detectors say to each other, each message a datagram: it may be lost, doubled and overtaken.
public struct GossipMessage: Hashable, Sendable {
    public var kind: Kind
    /// The sender's own.
    public var incarnation: UInt64
    /// Of the topology that the sender goes by.
    public var epoch: Epoch
    /// News about members, in no order.
    public var updates: [GossipUpdate]

    public enum Kind: Hashable, Sendable {
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

    public init(kind: Kind, incarnation: UInt64, epoch: Epoch, updates: [GossipUpdate] = []) {
        self.kind = kind
        self.incarnation = incarnation
        self.epoch = epoch
        self.updates = updates
    }
}

/// An opinion of a member.
public struct GossipUpdate: Hashable, Sendable {
    public var node: NodeNumber
    /// The incarnation of `node` that this is about: of two opinions, that of the higher one holds.
    public var incarnation: UInt64
    public var liveness: Liveness
    /// Who formed it. Suspicions by different nodes confirm each other.
    public var source: NodeNumber

    public init(node: NodeNumber, incarnation: UInt64, liveness: Liveness, source: NodeNumber) {
        self.node = node
        self.incarnation = incarnation
        self.liveness = liveness
        self.source = source
    }
}

extension GossipMessage {
    /// What a datagram may have, so that it is never cut up on its way: the path's least MTU, less IP's and UDP's
    /// headers.
    public static let maximumSize = 1400
    /// Of a message without updates and of each update, in bytes, authenticated: docs/wire-format.md.
    public static let emptySize = 64
    public static let updateSize = 13
    /// What fits.
    public static let maximumUpdates = (maximumSize - emptySize) / updateSize

    /// Bytes of its datagram.
    public var size: Int { Self.emptySize + updates.count * Self.updateSize }
}
