// What a node tells of what it holds and leads. All of it is kept as it changes, so that reports, which are made
// several times a second, do not look at all partitions.

/// How much each partition of a shard holds, and which of these figures the metadata quorum has not been told.
struct ShardFigures {
    /// By the number of the partition.
    private var usages: ContiguousArray<PartitionUsage>
    /// The sum over clients' partitions.
    private(set) var total = PartitionUsage()
    /// Partitions led here whose size has changed since it was last reported, or whose lead has begun.
    var unreported: Set<PartitionID> = []
    /// Partitions held here that move.
    var moving: Set<PartitionID> = []
    /// The place of the replica whose size is reported again next.
    var again = 0
    /// The number of leaderless partitions, and what it rests on.
    var leaderless: (count: Int, edits: UInt64, touch: UInt64)?

    init(_ slots: SlotMap) { usages = ContiguousArray(repeating: PartitionUsage(), count: slots.limit) }

    mutating func grow(to slots: SlotMap) {
        while usages.count < slots.limit { usages.append(PartitionUsage()) }
    }

    /// - Parameter isClients: False for the metadata quorum's partition, which has no client's data.
    mutating func set(_ usage: PartitionUsage, of partition: PartitionID, isClients: Bool) {
        guard isClients, Int(partition.raw) < usages.count else { return }
        let before = usages[Int(partition.raw)]
        total.keys += usage.keys - before.keys
        total.tombstones += usage.tombstones - before.tombstones
        total.bytes += usage.bytes - before.bytes
        usages[Int(partition.raw)] = usage
    }
}

extension Shard {
    /// How much this node's copies of this shard's partitions hold, without the metadata quorum's.
    package var usage: PartitionUsage {
        noteResized()
        return figures.total
    }

    /// How many of the partitions held here nobody leads, as far as this node knows.
    package var leaderlessPartitions: Int {
        if let known = figures.leaderless, known.edits == context.leadEdits, known.touch == context.touch {
            return known.count
        }
        let count = owned.count { leader(of: $0.partition) == nil }
        figures.leaderless = (count, context.leadEdits, context.touch)
        return count
    }

    /// How the moves stand of the partitions that this node leads.
    package func moveReports() -> [MoveReport] {
        figures.moving.sorted().compactMap { restingReplica($0)?.moveReport }
    }

    /// How large those of clients' partitions are that this node leads and whose size has changed since the last call.
    ///
    /// - Parameter again: The number of other partitions to look at, each in its turn: a report may have been lost, and
    ///   a store drops purged tombstones later than it is told to.
    package func takeSizes(again: Int) -> [PartitionSize] {
        for _ in 0..<min(again, owned.count) {
            figures.again = (figures.again + 1) % owned.count
            context.noteResized(owned[figures.again])
        }
        noteResized()
        defer { figures.unreported.removeAll(keepingCapacity: true) }
        return figures.unreported.sorted().compactMap { partition in
            guard restingReplica(partition)?.leader != nil, partition != topology.metadataPartition else { return nil }
            return PartitionSize(partition: partition, bytes: UInt64(max(store.usage(partition).bytes, 0)))
        }
    }

    /// Has the sizes of all partitions led here reported: somebody is to be told who may know none of them.
    func reportAllSizes() {
        for replica in owned where replica.leader != nil { figures.unreported.insert(replica.partition) }
    }

    func noteMove(of partition: PartitionID, _ assignment: Assignment) {
        if assignment.next != nil, assignment.since(me) != nil {
            figures.moving.insert(partition)
        } else {
            figures.moving.remove(partition)
        }
    }

    /// Takes note of the sizes that have changed.
    func noteResized() {
        guard !context.resized.isEmpty else { return }
        for partition in context.resized {
            restingReplica(partition)?.isResized = false
            figures.set(store.usage(partition), of: partition, isClients: partition != topology.metadataPartition)
            figures.unreported.insert(partition)
        }
        context.resized.removeAll(keepingCapacity: true)
    }
}
