import KVCore

/// Which of a node's shards has which keys.
struct ShardMap {
    /// Of the cluster: a power of two.
    var partitions: Int
    /// Of the node, 1 or more.
    var count: Int

    @inline(__always)
    func partition(of slot: Slot) -> PartitionID { PartitionID(slot: slot, partitions: partitions) }

    @inline(__always)
    func shard(of partition: PartitionID) -> Int { partition.shard(among: count) }
}

extension PartitionID {
    /// The index of the shard that has it, of a node with so many.
    @inline(__always)
    func shard(among count: Int) -> Int { count == 1 ? 0 : Int(raw) % count }
}
