import KVCore

/// What a node says of itself when a connection between peers begins.
package struct Introduction: Hashable, Sendable {
    /// No cluster's name.
    package static let anyCluster = ""

    /// `UUID128(high: 0, low: 0)` from a pending node that does not know it yet.
    package var clusterID: UUID128
    /// `anyCluster` of a pending node that takes the cluster as it is.
    package var clusterName: String
    /// 0 from a pending node: a node that is no member.
    package var node: NodeNumber
    /// The node's name, at most 255 bytes.
    package var nodeID: String
    /// Of the store in its data directory.
    package var store: UUID128
    /// Of the process.
    package var boot: UInt64
    /// Of the topology that it goes by; 0 where it has none. Whoever has a later one sends it.
    package var epoch: Epoch
    /// What the configuration files of all nodes must say alike, in one order.
    package var agreement: [AgreementLine]
    /// The latest starts of the node's store, at most `ProcessStart.maximumRemembered`; empty where `version` is 3.
    package var starts: [ProcessStart]
    /// How far the store had come on disk when its process began, by shard: the number of its last batch then. Empty
    /// where `version` is 3.
    package var progress: [UInt64]
    /// What the machine's clock shows, in milliseconds since 1970; 0 where `version` is 3.
    package var wall: UInt64
    /// Of the peer protocol, that who says this speaks on the connection.
    package var version: UInt16

    package init(
        clusterID: UUID128, clusterName: String, node: NodeNumber, nodeID: String, store: UUID128, boot: UInt64,
        epoch: Epoch, agreement: [AgreementLine], starts: [ProcessStart] = [],
        progress: [UInt64] = [], wall: UInt64 = 0, version: UInt16 = Handshake.protocolVersion
    ) {
        self.clusterID = clusterID
        self.clusterName = clusterName
        self.node = node
        self.nodeID = nodeID
        self.store = store
        self.boot = boot
        self.epoch = epoch
        self.agreement = agreement
        self.starts = starts
        self.progress = progress
        self.wall = wall
        self.version = version
    }

    /// The same, said to a peer that speaks `version`.
    package func spoken(_ version: UInt16) -> Self {
        var said = self
        said.version = min(version, Handshake.protocolVersion)
        if said.version < 4 { (said.starts, said.progress, said.wall) = ([], [], 0) }
        return said
    }

    /// Bytes that a name may have.
    package static let maximumName = 255
}

/// One value of the configuration on which all nodes must agree, such as `cluster.partitions`, `1024`.
package struct AgreementLine: Hashable, Sendable {
    package var path: String
    package var value: String

    package init(path: String, value: String) {
        self.path = path
        self.value = value
    }
}

/// Which of a node's shards speaks: `index` of `count`.
package struct ShardPosition: Hashable, Sendable {
    /// `0 ..< count`.
    package var index: Int
    /// `1 ... maximumCount`.
    package var count: Int

    package static let maximumCount = 1024

    package init(index: Int, count: Int) {
        self.index = index
        self.count = count
    }
}

/// The first frame of each side of a connection. Who connects says `hello`; the answer is `welcome` or `refusal`,
/// and after `welcome` messages follow, from who connected only.
package enum Handshake: Hashable, Sendable {
    case hello(Introduction, shard: ShardPosition)
    case welcome(Introduction)
    case refusal(HandshakeRefusal)

    /// The newest version of the protocol: of `hello`, `welcome` and the messages that follow. Who connects says hello
    /// in it; a refusal names the newest version of who refuses, and an older one that is supported is tried next.
    package static let protocolVersion: UInt16 = 4
    /// The versions that this program speaks: the present one and the one before.
    package static let versions: ClosedRange<UInt16> = 3...4
    /// Since this version a node that leads nothing sends heartbeats as well, requests are relayed, and nodes tell each
    /// other their clocks.
    package static let firstWithHeartbeats: UInt16 = 4
    /// Since this version replicas compare what they hold under a version, and not versions only.
    package static let firstWithContents: UInt16 = 4
    /// Bytes of a refusal's text; a longer one is cut.
    package static let maximumRefusal = 4096
}

/// Why a connection is refused.
package struct HandshakeRefusal: Hashable, Sendable {
    /// What the side that is refused does about it. Codes are frozen.
    package enum Code: UInt8, Hashable, Sendable, CaseIterable {
        /// It logs the text and tries again.
        case unspecified = 0
        /// It was removed from the cluster, and ends.
        case removed = 1
        /// Its store is a copy, older than what its peers have seen of it: it has forgotten what it promised, and ends.
        case outdatedStore = 2
        /// Another process of its store is in touch with the peer: it ends.
        case secondProcess = 3
        /// Another store of its node is known: it must not found the cluster a second time.
        case otherStore = 4
    }

    package var code: Code
    /// A sentence for the other side's log.
    package var text: String
    /// The newest version of the peer protocol that the side which refuses speaks.
    package var version: UInt16

    package init(_ code: Code, _ text: String, version: UInt16 = Handshake.protocolVersion) {
        self.code = code
        self.text = text
        self.version = version
    }
}
