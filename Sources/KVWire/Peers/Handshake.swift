import KVCore

/// What a node says of itself when a connection between peers begins.
public struct Introduction: Hashable, Sendable {
    /// No cluster's name.
    public static let anyCluster = ""

    /// `UUID128(high: 0, low: 0)` from an applicant that does not know it yet.
    public var clusterID: UUID128
    /// `anyCluster` of an applicant that takes the cluster as it is.
    public var clusterName: String
    /// 0 from an applicant: a node that is no member.
    public var node: NodeNumber
    /// The node's name, at most 255 bytes.
    public var nodeID: String
    /// Of the store in its data directory.
    public var store: UUID128
    /// Of the process.
    public var boot: UInt64
    /// Of the topology that it goes by; 0 where it has none. Whoever has a later one sends it.
    public var epoch: Epoch
    /// What the configuration files of all nodes must say alike, in one order.
    public var agreement: [AgreementLine]

    public init(
        clusterID: UUID128, clusterName: String, node: NodeNumber, nodeID: String, store: UUID128, boot: UInt64,
        epoch: Epoch, agreement: [AgreementLine]
    ) {
        self.clusterID = clusterID
        self.clusterName = clusterName
        self.node = node
        self.nodeID = nodeID
        self.store = store
        self.boot = boot
        self.epoch = epoch
        self.agreement = agreement
    }

    /// Bytes that a name may have.
    public static let maximumName = 255
}

/// One value of the configuration on which all nodes must agree, such as `cluster.partitions`, `1024`.
public struct AgreementLine: Hashable, Sendable {
    public var path: String
    public var value: String

    public init(path: String, value: String) {
        self.path = path
        self.value = value
    }
}

/// Which of a node's shards speaks: `index` of `count`.
public struct ShardPosition: Hashable, Sendable {
    /// `0 ..< count`.
    public var index: Int
    /// `1 ... maximumCount`.
    public var count: Int

    public static let maximumCount = 1024

    public init(index: Int, count: Int) {
        self.index = index
        self.count = count
    }
}

/// The first frame of each side of a connection. Who connects says `hello`; the answer is `welcome` or `refusal`,
/// and after `welcome` messages follow, from who connected only.
public enum Handshake: Hashable, Sendable {
    case hello(Introduction, shard: ShardPosition)
    case welcome(Introduction)
    /// Why not, in a sentence for the other side's log.
    case refusal(String)

    /// Of the messages that follow, and of `hello` and `welcome`. `refusal` is the same in every version.
    public static let protocolVersion: UInt16 = 3
    /// Bytes of a refusal's text; a longer one is cut.
    public static let maximumRefusal = 4096
}
