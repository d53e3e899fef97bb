/// What a replica of a partition has served since this node took it on. The counts only grow.
package struct ServedCounts: Hashable, Sendable {
    /// Reads: of this replica as the leader, or of its own copy for a read that may be stale or finds no leader.
    package var reads: UInt64 = 0
    /// Changes that this replica has begun to carry out as the leader, whatever their outcome.
    package var writes: UInt64 = 0
    /// Changes of another node's leader that this replica has stored.
    package var copies: UInt64 = 0

    package init(reads: UInt64 = 0, writes: UInt64 = 0, copies: UInt64 = 0) {
        self.reads = reads
        self.writes = writes
        self.copies = copies
    }

    @inline(__always)
    mutating func count(_ command: Command) {
        if command.isRead { reads &+= 1 } else { writes &+= 1 }
    }

    /// Counts the read that this is the outcome of, and returns the outcome.
    @inline(__always)
    mutating func counting(_ outcome: Outcome) -> Outcome {
        reads &+= 1
        return outcome
    }

    /// The requests of clients among them.
    package var requests: UInt64 { reads &+ writes }

    /// What was counted after `earlier`. A replica that has left this node and come back counts from 0 again.
    func since(_ earlier: ServedCounts) -> ServedCounts {
        func difference(_ count: UInt64, _ before: UInt64) -> UInt64 { count >= before ? count - before : count }
        return ServedCounts(
            reads: difference(reads, earlier.reads), writes: difference(writes, earlier.writes),
            copies: difference(copies, earlier.copies))
    }

    static func += (sum: inout ServedCounts, part: ServedCounts) {
        sum.reads &+= part.reads
        sum.writes &+= part.writes
        sum.copies &+= part.copies
    }
}

/// What a shard has served in some time, and what it holds. The partition of the metadata quorum is left out.
package struct ShardLoad: Sendable {
    /// The time that `served` was counted over.
    package var elapsed: Nanoseconds
    /// The number of partitions of which the shard holds a replica, and of those among them that this node leads.
    package var partitions = 0
    package var leaders = 0
    package var served = ServedCounts()
    package var usage = PartitionUsage()
    /// Those with the most requests of clients, the busiest first. None without a request.
    package var busiest: [PartitionLoad] = []

    package init(elapsed: Nanoseconds) { self.elapsed = elapsed }
}

/// What a replica of a partition has served in some time, and what it holds.
package struct PartitionLoad: Sendable {
    package var partition: PartitionID
    /// Who leads it, as far as this node knows.
    package var leader: NodeNumber?
    package var served: ServedCounts
    package var usage: PartitionUsage

    package init(partition: PartitionID, leader: NodeNumber?, served: ServedCounts, usage: PartitionUsage) {
        self.partition = partition
        self.leader = leader
        self.served = served
        self.usage = usage
    }
}
