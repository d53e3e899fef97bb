/// What a cluster agrees on when it is created.
package struct ClusterSettings: Hashable, Sendable {
    package var name: String
    /// P: a power of two, `1 ... 16384`.
    package var partitions: Int
    /// N: how many replicas a partition has, where the cluster has that many nodes.
    package var replicas: Int

    package init(name: String, partitions: Int, replicas: Int) {
        self.name = name
        self.partitions = partitions
        self.replicas = replicas
    }
}

/// Where one partition lives.
package struct Assignment: Hashable, Sendable {
    /// The replica set, in order of preference to lead.
    package var replicas: [NodeNumber]
    /// The replica set it is moving to, while it moves: majorities of both are needed then.
    package var next: [NodeNumber]?
    /// The epoch that last changed this assignment. It names the configuration in requests between replicas.
    package var changed: Epoch
    /// For everyone in either set, in the order of `members`: the epoch since which it has belonged without a gap. A
    /// replica whose data is of another epoch begins again from nothing.
    package var since: [Epoch]

    /// - Parameter since: everyone's is `changed` where it is left out.
    package init(replicas: [NodeNumber], next: [NodeNumber]? = nil, changed: Epoch, since: [Epoch]? = nil) {
        self.replicas = replicas
        self.next = next
        self.changed = changed
        self.since = []
        self.since = since ?? members.map { _ in changed }
    }

    /// Everyone in either set: the present one first, each in its order.
    package var members: [NodeNumber] {
        guard let next else { return replicas }
        return replicas + next.filter { !replicas.contains($0) }
    }

    /// Nil for a node in neither set.
    package func since(_ node: NodeNumber) -> Epoch? {
        guard let index = members.firstIndex(of: node), index < since.count else { return nil }
        return since[index]
    }

    /// The same place under another configuration: who stays keeps its epoch, who comes begins with this one.
    package func changing(to replicas: [NodeNumber], next: [NodeNumber]?, at epoch: Epoch) -> Assignment {
        var changed = Assignment(replicas: replicas, next: next, changed: epoch)
        changed.since = changed.members.map { since($0) ?? epoch }
        return changed
    }
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
    /// The highest number given to a member so far: numbers are never used again.
    package var lastNumber: NodeNumber
    /// Who was a member: neither they nor their stores return under the same number. Ascending by number.
    package var removed: [RemovedMember]
    /// One for each partition, by its number.
    package var assignments: [Assignment]
    /// Where the topology itself lives: an odd number of members, at most `maximumMetadataQuorum`.
    package var metadataQuorum: Assignment
    /// The change under way.
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
        self.assignments = assignments
        self.metadataQuorum = metadataQuorum
        self.plan = plan
    }

    package func member(_ number: NodeNumber) -> Member? { members.first { $0.number == number } }

    /// While one member replaces another of the same name, the joining node.
    package func member(named id: String) -> Member? { members.last { $0.id == id } }

    package func member(withStore store: UUID128) -> Member? { members.first { $0.store == store } }

    /// The partition after the last: it holds the topology, and no slots.
    package var metadataPartition: PartitionID { PartitionID(UInt16(clamping: settings.partitions)) }
}
