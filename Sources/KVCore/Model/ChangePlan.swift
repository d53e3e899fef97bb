/// A change of membership under way, as the topology records it: whoever leads the metadata quorum carries it on.
package struct ChangePlan: Hashable, Sendable {
    /// The epoch in which it began.
    package var id: Epoch
    package var reason: Reason
    /// What it is made of; who joins and leaves is told by the members' standing.
    package var isPaused: Bool
    /// It undoes what it had done.
    package var isCancelling: Bool
    /// Partitions not yet where they are to be, ascending; those under way have `Assignment.next` set to the same.
    package var targets: [Target]
    /// Replicas to be copied in all, from its beginning.
    package var moves: Int
    /// Fewest copies that any balanced placement of the same members would take.
    package var minimum: Int
    /// Bytes to be copied in all, as estimated at its beginning.
    package var bytes: UInt64

    package enum Reason: UInt8, Hashable, Sendable, CaseIterable {
        case operatorAsked = 1
        /// A member was dead for `evict_after`.
        case eviction = 2
    }

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
        minimum: Int, bytes: UInt64
    ) {
        self.id = id
        self.reason = reason
        self.isPaused = isPaused
        self.isCancelling = isCancelling
        self.targets = targets
        self.moves = moves
        self.minimum = minimum
        self.bytes = bytes
    }
}
