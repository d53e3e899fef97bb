extension Topology {
    /// The partition that holds a key.
    @inlinable
    package func partition(of key: Key) -> PartitionID { slots.partition(of: key.slot) }

    /// Where a partition lives, the metadata quorum's included; nil where there is no such partition.
    package func assignment(of partition: PartitionID) -> Assignment? {
        if let place = slots.place(of: partition) { return assignments[place] }
        return partition == metadataPartition ? metadataQuorum : nil
    }

    /// The replica set of a partition, its preferred leader first; empty where the ring has no such partition.
    package func replicas(of partition: PartitionID) -> [NodeNumber] { assignment(of: partition)?.replicas ?? [] }

    /// The partitions of which a node is a replica, now or next, ascending.
    package func partitions(on node: NodeNumber) -> [PartitionID] {
        assignments.indices.compactMap { place in
            let assignment = assignments[place]
            let isReplica = assignment.replicas.contains(node) || assignment.next?.contains(node) == true
            return isReplica ? slots.partition(at: place) : nil
        }
    }
}
