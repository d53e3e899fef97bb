/// A change of membership, or of the number of partitions, that is under way, as the topology records it. Each leader
/// of the metadata quorum continues it.
package struct ChangePlan: Hashable, Sendable {
    /// The epoch in which the plan began.
    package var id: Epoch
    package var reason: Reason
    /// While this is true, no move begins, and joining nodes are sent no records. (Who joins and who leaves is not in
    /// the plan: `Member.status` says it.)
    package var isPaused: Bool
    /// The plan was cancelled, and the moves that it has made are being undone.
    package var isCancelling: Bool
    /// The partitions that have not reached their replica sets yet, ascending. While one moves, its `Assignment.next`
    /// is the same set.
    package var targets: [Target]
    /// Replicas to copy from the beginning of the plan to its end.
    package var moves: Int
    /// The fewest copies that any balanced placement of the same members takes.
    package var minimum: Int
    /// Bytes to copy from the beginning of the plan to its end, as estimated at the beginning.
    package var bytes: UInt64
    /// The number of partitions that there are to be; 0 unless the reason is `split`. Splits wait until the targets are
    /// reached.
    package var splitTo: Int

    package enum Reason: UInt8, Hashable, Sendable, CaseIterable {
        case operatorAsked = 1
        /// A member was dead for `evict_after`.
        case eviction = 2
        /// An operator wants more partitions.
        case split = 3
    }

    /// The replica set that the plan gives to a partition.
    package struct Target: Hashable, Sendable {
        package var partition: PartitionID
        package var replicas: [NodeNumber]

        package init(partition: PartitionID, replicas: [NodeNumber]) {
            self.partition = partition
            self.replicas = replicas
        }
    }

    package init(
        id: Epoch, reason: Reason, isPaused: Bool = false, isCancelling: Bool = false, targets: [Target], moves: Int,
        minimum: Int, bytes: UInt64, splitTo: Int = 0
    ) {
        self.id = id
        self.reason = reason
        self.isPaused = isPaused
        self.isCancelling = isCancelling
        self.targets = targets
        self.moves = moves
        self.minimum = minimum
        self.bytes = bytes
        self.splitTo = splitTo
    }
}
