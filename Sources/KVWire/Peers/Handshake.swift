import KVCore

/// A node's description of itself at the beginning of a connection between peers.
package struct Introduction: Hashable, Sendable {
    /// A name that no cluster has.
    package static let anyCluster = ""

    /// `UUID128(high: 0, low: 0)` from a pending node that does not know it yet.
    package var clusterID: UUID128
    /// `anyCluster` from a pending node that joins a cluster of any name.
    package var clusterName: String
    /// 0 from a pending node.
    package var node: NodeNumber
    /// The node's name, at most 255 bytes.
    package var nodeID: String
    /// The id of the store in its data directory.
    package var store: UUID128
    /// The number of the store's start.
    package var boot: UInt64
    /// The epoch of its topology; 0 if it has none. A node with a later topology sends it.
    package var epoch: Epoch
    /// The settings that the configuration files of all nodes must have in common, in a fixed order.
    package var agreement: [AgreementLine]
    /// The latest starts of the node's store, at most `ProcessStart.maximumRemembered`; empty when `version` is 3.
    package var starts: [ProcessStart]
    /// The last batch that each shard's store had on disk when its process began. Empty when `version` is 3.
    package var progress: [UInt64]
    /// The time of the machine's clock, in milliseconds since 1970; 0 when `version` is 3.
    package var wall: UInt64
    /// The version of the peer protocol that the sender speaks on the connection.
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

    /// The introduction for a peer that speaks `version`.
    package func spoken(_ version: UInt16) -> Self {
        var said = self
        said.version = min(version, Handshake.protocolVersion)
        if said.version < 4 { (said.starts, said.progress, said.wall) = ([], [], 0) }
        return said
    }

    /// The most bytes of a name.
    package static let maximumName = 255
}

/// One setting on which all nodes must agree, such as `cluster.partitions`, `1024`.
package struct AgreementLine: Hashable, Sendable {
    package var path: String
    package var value: String

    package init(path: String, value: String) {
        self.path = path
        self.value = value
    }
}

/// The sending shard among those of its node: `index` of `count`.
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

/// The first frame of each side of a connection. The node that connects sends `hello`, and the other answers with
/// `welcome` or `refusal`. After `welcome`, messages follow, only from the node that has connected.
package enum Handshake: Hashable, Sendable {
    case hello(Introduction, shard: ShardPosition)
    case welcome(Introduction)
    case refusal(HandshakeRefusal)

    /// The newest version of the protocol: of `hello`, `welcome` and the messages that follow. A node that connects
    /// begins with it. A refusal has the newest version of the refusing node, and if that is an older one that is
    /// supported, it is tried next.
    package static let protocolVersion: UInt16 = 4
    /// The versions that this program speaks: the present one and the previous one.
    package static let versions: ClosedRange<UInt16> = 3...4
    /// The first version in which a node that leads nothing also sends heartbeats, requests are relayed, and nodes tell
    /// each other their clocks.
    package static let firstWithHeartbeats: UInt16 = 4
    /// The first version in which replicas compare what they hold under a version, rather than only versions.
    package static let firstWithContents: UInt16 = 4
    /// The first version in which nodes tell each other what topologies change, and in which these are encoded by runs.
    package static let firstWithChanges: UInt16 = 4
    /// The first version in which nodes support each other's leaders.
    package static let firstWithLeases: UInt16 = 4
    /// The most bytes of a refusal's text; a longer one is cut.
    package static let maximumRefusal = 4096
}

/// The reason for which a connection is refused.
package struct HandshakeRefusal: Hashable, Sendable {
    /// The code decides what the refused side does. Codes are frozen.
    package enum Code: UInt8, Hashable, Sendable, CaseIterable {
        /// The node logs the text and tries again.
        case unspecified = 0
        /// The node was removed from the cluster, and ends.
        case removed = 1
        /// The node's store is an older copy than its peers have seen: it has forgotten what it promised. The node
        /// ends.
        case outdatedStore = 2
        /// Another process with the node's store is connected to the peer. The node ends.
        case secondProcess = 3
        /// Another store of this node is known: it must not found the cluster a second time.
        case otherStore = 4
    }

    package var code: Code
    /// A sentence for the other side's log.
    package var text: String
    /// The newest version of the peer protocol that the refusing side speaks.
    package var version: UInt16

    package init(_ code: Code, _ text: String, version: UInt16 = Handshake.protocolVersion) {
        self.code = code
        self.text = text
        self.version = version
    }
}
