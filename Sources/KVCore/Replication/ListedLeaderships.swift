// What other nodes say that they lead.
//
// A node says once what it leads, then only what has changed; its heartbeats say that nothing has. So an idle cluster's
// traffic does not grow with its partitions. (The heartbeats of CockroachDB's store liveness are between nodes for the
// same reason.) The changes are numbered, because messages may be lost: who misses one asks for the whole list.

/// The leaderships that each shard of other nodes lists, as of its last heartbeat.
struct ListedLeaderships {
    /// What came of an update.
    enum Result: Equatable {
        /// It tells nothing new.
        case known
        /// It was taken: these partitions are not listed any more, and were until this time.
        case taken(ended: [PartitionID], heard: Instant)
        /// An update before it is missing.
        case gap
    }

    private struct SourceID: Hashable {
        let node: NodeNumber
        let shard: UInt16
    }

    /// A shard of another node.
    private struct Source {
        let node: NodeNumber
        /// The version of its list; 0 before the first one.
        var version: UInt64 = 0
        /// When the list was last confirmed: the last heartbeat, or the last change.
        var heard: Instant
        /// False from the time at which `grownStale` has returned what it lists, until it is confirmed again.
        var isFresh = true
        /// Since when the node's first shard has named another version, or when the whole list was last asked for.
        var awaited: Instant?
    }

    private struct Entry {
        /// The index of its source; negative if nobody lists the partition.
        var source: Int32 = -1
        /// The highest ballot under which the partition has been listed.
        var ballot = Ballot.zero
    }

    /// Those of former members are nil, and their places are taken again.
    private var sources: [Source?] = []
    private var indices: [SourceID: Int] = [:]
    /// No list grows stale before this time.
    private var nextStale = Instant(nanoseconds: 0)
    /// By the number of the partition.
    private var entries: ContiguousArray<Entry>

    init(_ slots: SlotMap) { entries = ContiguousArray(repeating: Entry(), count: slots.limit) }

    /// Who lists a partition, under which ballot, and when its node was last heard to.
    subscript(partition: PartitionID) -> (node: NodeNumber, ballot: Ballot, heard: Instant, isFresh: Bool)? {
        let index = Int(partition.raw)
        guard index < entries.count, entries[index].source >= 0, let source = sources[Int(entries[index].source)]
        else { return nil }
        return (source.node, entries[index].ballot, source.heard, source.isFresh)
    }

    /// Takes an update of a list, where the node has the list that it builds on.
    ///
    /// - Parameter skipsGaps: True if a test has switched off the rule that a gap is noticed.
    mutating func take(_ update: LeadershipUpdate, from node: NodeNumber, skipsGaps: Bool, now: Instant) -> Result {
        let index = index(of: node, shard: update.shard, now: now)
        let held = sources[index]?.version ?? 0
        // Late: a later list is here already. (A process's versions are above those of every process before it.)
        guard update.version >= held else { return .known }
        guard update.version > held else {
            confirm(index, at: now)
            return .known
        }
        guard update.isWhole || update.base == held || skipsGaps else { return .gap }
        var ended: [PartitionID] = []
        if update.isWhole {
            // Nothing is to be taken back of a first list, and a process gets one of every member as it starts.
            if held > 0 {
                let listed = Set(update.begun.map(\.partition))
                for (partition, entry) in entries.enumerated() where entry.source == index {
                    let partition = PartitionID(UInt16(partition))
                    if !listed.contains(partition) { ended.append(partition) }
                }
            }
        } else {
            ended = update.ended.filter { Int($0.raw) < entries.count && entries[Int($0.raw)].source == index }
        }
        for partition in ended { entries[Int(partition.raw)].source = -1 }
        for leadership in update.begun where Int(leadership.partition.raw) <= Slot.count {
            // The node may know of splits that this one has yet to hear of.
            while entries.count <= Int(leadership.partition.raw) { entries.append(Entry()) }
            let entry = entries[Int(leadership.partition.raw)]
            // Late: another node has been elected since.
            guard leadership.ballot >= entry.ballot else { continue }
            entries[Int(leadership.partition.raw)] = Entry(source: Int32(index), ballot: leadership.ballot)
        }
        let heard = sources[index]?.heard ?? now
        sources[index]?.version = update.version
        confirm(index, at: now)
        return .taken(ended: ended, heard: heard)
    }

    /// Takes what a node's first shard says of another one's list.
    ///
    /// That goes over another connection than the list itself, and may come first. So a version that is not here yet is
    /// waited for, and asked for if it has not come when it is named once more after `patience`.
    ///
    /// - Returns: Whether the whole list is to be asked for.
    mutating func confirm(
        _ unchanged: LeadershipUpdate.Unchanged, from node: NodeNumber, now: Instant, patience: Nanoseconds
    ) -> Bool {
        let index = index(of: node, shard: unchanged.shard, now: now)
        guard let source = sources[index], unchanged.version >= source.version else { return false }
        guard unchanged.version > source.version else {
            confirm(index, at: now)
            return false
        }
        guard let awaited = source.awaited else {
            sources[index]?.awaited = now
            return false
        }
        guard now - awaited >= patience else { return false }
        sources[index]?.awaited = now
        return true
    }

    /// The highest ballot under which a partition has been listed.
    func highest(_ partition: PartitionID) -> Ballot {
        Int(partition.raw) < entries.count ? entries[Int(partition.raw)].ballot : .zero
    }

    /// Notes that a long message of a node is arriving: its heartbeats wait behind the message.
    mutating func noteReading(from node: NodeNumber, now: Instant) {
        for index in sources.indices where sources[index]?.node == node { confirm(index, at: now) }
    }

    private mutating func confirm(_ index: Int, at now: Instant) {
        if sources[index]?.isFresh == false { lookAgain() }
        sources[index]?.heard = now
        sources[index]?.isFresh = true
        sources[index]?.awaited = nil
    }

    /// The partitions of lists whose nodes are overdue. Each list is returned once.
    ///
    /// - Parameter overdue: When a node's list grows stale that was last confirmed at a time; later, if it is confirmed
    ///   again. It may be sooner than was said before only after `lookAgain`.
    mutating func grownStale(
        at now: Instant, overdue: (NodeNumber, _ heard: Instant) -> Instant
    ) -> [PartitionID] {
        guard now >= nextStale else { return [] }
        nextStale = .distantFuture
        var stale: Set<Int32> = []
        for index in sources.indices {
            guard let source = sources[index], source.isFresh else { continue }
            let end = overdue(source.node, source.heard)
            if now >= end {
                sources[index]?.isFresh = false
                stale.insert(Int32(index))
            } else {
                nextStale = min(nextStale, end)
            }
        }
        guard !stale.isEmpty else { return [] }
        return entries.indices.filter { stale.contains(entries[$0].source) }.map { PartitionID(UInt16($0)) }
    }

    /// Has `grownStale` look at all lists at its next call.
    mutating func lookAgain() { nextStale = Instant(nanoseconds: 0) }

    /// Forgets the lists of nodes that are not members any more. The ballots under which they led stay known: whoever
    /// led before them is not to be believed again.
    mutating func keep(_ isMember: (NodeNumber) -> Bool) {
        for index in sources.indices {
            guard let source = sources[index], !isMember(source.node) else { continue }
            sources[index] = nil
            indices = indices.filter { $0.value != index }
            for partition in entries.indices where entries[partition].source == index {
                entries[partition].source = -1
            }
        }
    }

    /// The version of the list of a node's shard, and what it lists, without partitions that another node lists under a
    /// higher ballot.
    func list(of node: NodeNumber, shard: UInt16) -> (version: UInt64, ballots: [PartitionID: Ballot])? {
        guard let index = indices[SourceID(node: node, shard: shard)], let version = sources[index]?.version else {
            return nil
        }
        var ballots: [PartitionID: Ballot] = [:]
        for (partition, entry) in entries.enumerated() where entry.source == index {
            ballots[PartitionID(UInt16(partition))] = entry.ballot
        }
        return (version, ballots)
    }

    private mutating func index(of node: NodeNumber, shard: UInt16, now: Instant) -> Int {
        let id = SourceID(node: node, shard: shard)
        if let index = indices[id] { return index }
        let index = sources.firstIndex { $0 == nil } ?? sources.count
        if index == sources.count { sources.append(nil) }
        sources[index] = Source(node: node, heard: now)
        lookAgain()
        indices[id] = index
        return index
    }
}
