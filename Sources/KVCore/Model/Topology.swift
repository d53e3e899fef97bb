/// The settings that a cluster agrees on when it is created. They never change.
package struct ClusterSettings: Hashable, Sendable {
    package var name: String
    /// P, the number of partitions at the beginning: a power of two, `1 ... 16384`. Splits may have made more.
    package var partitions: Int
    /// N, the number of replicas of a partition. A cluster of fewer nodes has one on each.
    package var replicas: Int

    package init(name: String, partitions: Int, replicas: Int) {
        self.name = name
        self.partitions = partitions
        self.replicas = replicas
    }

    /// The slots that partitions had when the cluster was created.
    package var foundingSlots: SlotMap { SlotMap(founding: partitions) }
}

/// The nodes that hold one partition.
package struct Assignment: Hashable, Sendable {
    /// The present replica set. The first member is preferred as the leader, then the second, and so on.
    package var replicas: [NodeNumber]
    /// The next replica set, while the partition moves. Majorities of both sets are needed then.
    package var next: [NodeNumber]?
    /// The epoch that last changed this assignment. It names the configuration in requests between replicas.
    package var changed: Epoch
    /// For each of `members`, in their order: the epoch since which the node has belonged to the partition without a
    /// gap. A replica whose data is of another epoch deletes it and begins again from nothing.
    package var since: [Epoch]

    /// - Parameter since: If nil, `changed` for every member.
    package init(replicas: [NodeNumber], next: [NodeNumber]? = nil, changed: Epoch, since: [Epoch]? = nil) {
        self.replicas = replicas
        self.next = next
        self.changed = changed
        self.since = []
        self.since = since ?? members.map { _ in changed }
    }

    /// The nodes of either set: the present set in its order, then the other nodes of the next set in theirs.
    package var members: [NodeNumber] {
        guard let next else { return replicas }
        return replicas + next.filter { !replicas.contains($0) }
    }

    /// The epoch since which a node has belonged to the partition without a gap. Nil for a node in neither set.
    package func since(_ node: NodeNumber) -> Epoch? {
        guard let index = members.firstIndex(of: node), index < since.count else { return nil }
        return since[index]
    }

    /// The partition's next configuration. Nodes that stay keep their `since`; it is `epoch` for nodes that come.
    package func changing(to replicas: [NodeNumber], next: [NodeNumber]?, at epoch: Epoch) -> Assignment {
        var changed = Assignment(replicas: replicas, next: next, changed: epoch)
        changed.since = changed.members.map { since($0) ?? epoch }
        return changed
    }
}

extension [NodeNumber] {
    /// Whether these are the same nodes in any order. Each is there once.
    func isPermutation(of other: [NodeNumber]) -> Bool { count == other.count && allSatisfy(other.contains) }
}

/// The epoched document that says who the members are and where each partition lives.
///
/// It is itself a register of the store, under the same protocol: the key `Topology.key` of the partition
/// `metadataPartition`, whose replicas are the metadata quorum. Nodes act on a topology only once it is known to be
/// chosen.
package struct Topology: Hashable, Sendable {
    package var clusterID: UUID128
    package var epoch: Epoch
    package var settings: ClusterSettings
    /// Ascending by number.
    package var members: [Member]
    /// The highest number that was given to a member so far. Numbers are never used again.
    package var lastNumber: NodeNumber
    /// The nodes that were members, ascending by number.
    package var removed: [RemovedMember]
    /// The assignment of each partition, by its place in `slots`.
    package var assignments: Assignments
    /// The replicas of the topology itself: an odd number of members, at most `maximumMetadataQuorum`.
    package var metadataQuorum: Assignment
    /// The change of membership under way. Nil if there is none.
    package var plan: ChangePlan?

    package static let maximumMetadataQuorum = 5
    /// The register's key in the metadata quorum's partition.
    package static let key = Key("topology")

    package init(
        clusterID: UUID128, epoch: Epoch, settings: ClusterSettings, members: [Member], lastNumber: NodeNumber? = nil,
        removed: [RemovedMember] = [], assignments: [Assignment], metadataQuorum: Assignment, plan: ChangePlan? = nil
    ) {
        self.clusterID = clusterID
        self.epoch = epoch
        self.settings = settings
        self.members = members
        self.lastNumber = lastNumber ?? members.last?.number ?? NodeNumber(0)
        self.removed = removed
        self.assignments = Assignments(assignments)
        self.metadataQuorum = metadataQuorum
        self.plan = plan
    }

    package func member(_ number: NodeNumber) -> Member? {
        let place = place(of: number)
        return place < members.count && members[place].number == number ? members[place] : nil
    }

    /// The place of a member among the members, or where it would be. (They are in order, and nodes look for members
    /// with nearly every message.)
    func place(of number: NodeNumber) -> Int {
        var (low, high) = (0, members.count)
        while low < high {
            let middle = (low + high) / 2
            if members[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The number of members, beside the metadata quorum, that send a node unasked what it lacks.
    private static let tellers = 3

    /// Whether it is up to a member to send another node a topology unasked. All notice that a node is behind, is
    /// admitted, or is removed; and topologies are long. So the metadata quorum does it, and the members that follow
    /// the node in order. The others send it to whoever asks.
    package func isTeller(_ member: NodeNumber, of node: NodeNumber) -> Bool {
        if metadataQuorum.members.contains(member) { return true }
        let place = place(of: node)
        let isMember = place < members.count && members[place].number == node
        let distance = self.place(of: member) - (isMember ? place + 1 : place)
        return (distance < 0 ? distance + members.count : distance) < Self.tellers
    }

    /// The member of this name. While one member replaces another of the same name, the joining one.
    package func member(named id: String) -> Member? { members.last { $0.id == id } }

    package func member(withStore store: UUID128) -> Member? { members.first { $0.store == store } }

    /// Which partition has which slots.
    package var slots: SlotMap {
        SlotMap(founding: settings.partitions, count: assignments.count) ?? SlotMap(founding: settings.partitions)
    }

    /// The additional partition that holds the topology. Its number follows that of the last partition with slots that
    /// the cluster was created with.
    package var metadataPartition: PartitionID { PartitionID(UInt16(clamping: settings.partitions)) }
}
