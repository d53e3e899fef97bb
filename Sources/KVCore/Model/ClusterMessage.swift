/// What nodes say to each other about membership, over the same links as the rest.
package enum ClusterMessage: Hashable, Sendable {
    /// The sender's topology is of `above`, and it has heard of a later one.
    case topologyWanted(above: Epoch)
    /// A topology known to be chosen.
    case topology(Topology)
    /// To the metadata quorum: how the partitions that the sender leads are doing. Now and then.
    case report(NodeReport)
    /// From a node that is no member: it runs, and waits to be admitted. Now and then.
    case announce(PendingNode)
    /// To the coordinator, on an operator's behalf. Delivered at most once.
    case control(RequestID, ControlRequest)
    case controlReply(RequestID, ControlReply)
}

/// A node that waits to be admitted.
package struct PendingNode: Hashable, Sendable {
    package var id: String
    package var client: Address
    package var peer: Address
    package var zone: String
    package var weight: Int
    package var store: UUID128
    /// Of the process.
    package var boot: UInt64
    /// It asks to be admitted without an operator (`kv serve --join`).
    package var admitsItself: Bool

    package init(
        id: String, client: Address, peer: Address, zone: String, weight: Int, store: UUID128, boot: UInt64,
        admitsItself: Bool
    ) {
        self.id = id
        self.client = client
        self.peer = peer
        self.zone = zone
        self.weight = weight
        self.store = store
        self.boot = boot
        self.admitsItself = admitsItself
    }
}

/// What a node knows of the partitions it leads.
package struct NodeReport: Hashable, Sendable {
    /// The sender's topology.
    package var epoch: Epoch
    /// Of the sender's data directory.
    package var store: UUID128
    package var partitions: [PartitionSize]
    package var moves: [MoveReport]

    package init(epoch: Epoch, store: UUID128, partitions: [PartitionSize], moves: [MoveReport]) {
        self.epoch = epoch
        self.store = store
        self.partitions = partitions
        self.moves = moves
    }
}

package struct PartitionSize: Hashable, Sendable {
    package var partition: PartitionID
    /// Of keys and values.
    package var bytes: UInt64

    package init(partition: PartitionID, bytes: UInt64) {
        self.partition = partition
        self.bytes = bytes
    }
}

/// How the move of a partition stands, by its leader.
package struct MoveReport: Hashable, Sendable {
    package var partition: PartitionID
    /// The configuration it is about: `Assignment.changed`.
    package var changed: Epoch
    /// Bytes sent to the joining nodes so far, and what there is to send them.
    package var sent: UInt64
    package var total: UInt64
    /// Every record is on majorities of both sets, and the leader belongs to the next: it may become the present one.
    /// True once, it stays true under this configuration.
    package var isReady: Bool
    package var obstacle: MoveObstacle?

    package init(
        partition: PartitionID, changed: Epoch, sent: UInt64, total: UInt64, isReady: Bool, obstacle: MoveObstacle?
    ) {
        self.partition = partition
        self.changed = changed
        self.sent = sent
        self.total = total
        self.isReady = isReady
        self.obstacle = obstacle
    }
}

/// What holds a move up.
package enum MoveObstacle: Hashable, Sendable {
    /// A replica of the next set is not in touch.
    case unreachable(NodeNumber)
    /// A replica does not take what it is sent: its disk may be full.
    case silent(NodeNumber)
    /// The leader does not yet know that its copy is the truth.
    case settling
    /// The plan is paused.
    case paused
}
