/// A message about membership. It travels over the same connections as all other messages of peers.
package enum ClusterMessage: Hashable, Sendable {
    /// The sender's topology has the epoch `above`, and the sender has heard of a later one: it asks for that.
    case topologyWanted(above: Epoch)
    /// A topology that is known to be chosen.
    case topology(Topology)
    /// What topologies change that are known to be chosen, each of the one before. The first changes the topology that
    /// the receiver is likely to go by.
    case topologyChanges([TopologyChange])
    /// Tells the metadata quorum about the partitions that the sender leads. Sent periodically.
    case report(NodeReport)
    /// Tells the metadata quorum up to how many partitions the sender has prepared splits. Sent periodically while a
    /// plan splits partitions.
    case prepared(partitions: Int)
    /// Says that the sender runs, is not a member, and waits to be admitted. Sent periodically.
    case announce(PendingNode)
    /// Asks the coordinator to carry out an operator's request. Delivered at most once.
    case control(RequestID, ControlRequest)
    /// Answers `control`.
    case controlReply(RequestID, ControlReply)
}

/// A node that waits to be admitted, as it describes itself.
package struct PendingNode: Hashable, Sendable {
    package var id: String
    package var client: Address
    package var peer: Address
    package var zone: String
    package var weight: Int
    /// Names the node's data directory.
    package var store: UUID128
    /// The boot counter of the node's process.
    package var boot: UInt64
    /// The node asks to be admitted without an operator (`kv serve --join`).
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

/// The sizes of the partitions that a node leads, and the progress of their moves.
package struct NodeReport: Hashable, Sendable {
    /// The epoch of the sender's topology.
    package var epoch: Epoch
    /// Names the sender's data directory.
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

/// How much data a partition holds.
package struct PartitionSize: Hashable, Sendable {
    package var partition: PartitionID
    /// Bytes of keys and values.
    package var bytes: UInt64

    package init(partition: PartitionID, bytes: UInt64) {
        self.partition = partition
        self.bytes = bytes
    }
}

/// The progress of a partition's move, as its leader reports it.
package struct MoveReport: Hashable, Sendable {
    package var partition: PartitionID
    /// The configuration that the report is about: `Assignment.changed`.
    package var changed: Epoch
    /// Bytes that have been sent to the joining nodes.
    package var sent: UInt64
    /// Bytes to send to the joining nodes, the sent ones included.
    package var total: UInt64
    /// The next set may become the present one: every record is on majorities of both sets, and the leader belongs to
    /// the next set. Once true, this stays true under this configuration.
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

/// The reason why a move makes no progress.
package enum MoveObstacle: Hashable, Sendable {
    /// A replica of the next set is not in touch.
    case unreachable(NodeNumber)
    /// A replica is in touch and does not accept the records that it is sent; its disk may be full.
    case silent(NodeNumber)
    /// The partition is not settled: its leader does not know yet that its copy holds every chosen record.
    case settling
    /// The plan is paused.
    case paused
}
