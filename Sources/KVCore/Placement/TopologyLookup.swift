extension Topology {
    /// The partition that holds a key.
    @inlinable
    package func partition(of key: Key) -> PartitionID { PartitionID(slot: key.slot, partitions: settings.partitions) }

    /// Where a partition lives, the metadata quorum's included; nil where there is no such partition.
    package func assignment(of partition: PartitionID) -> Assignment? {
        if Int(partition.raw) < assignments.count { return assignments[Int(partition.raw)] }
        return Int(partition.raw) == settings.partitions ? metadataQuorum : nil
    }

    /// The replica set of a partition, its preferred leader first; empty where the ring has no such partition.
    package func replicas(of partition: PartitionID) -> [NodeNumber] { assignment(of: partition)?.replicas ?? [] }

    /// The partitions of which a node is a replica, now or next, ascending.
    package func partitions(on node: NodeNumber) -> [PartitionID] {
        assignments.indices.compactMap { index in
            let assignment = assignments[index]
            let isReplica = assignment.replicas.contains(node) || assignment.next?.contains(node) == true
            return isReplica ? PartitionID(UInt16(truncatingIfNeeded: index)) : nil
        }
    }
}
