import KVCore

/// Maps keys to the shards of a node.
struct ShardMap {
    /// The number of partitions of the cluster: a power of two.
    var partitions: Int
    /// The number of shards of the node, 1 or more.
    var count: Int

    @inline(__always)
    func partition(of slot: Slot) -> PartitionID { PartitionID(slot: slot, partitions: partitions) }

    @inline(__always)
    func shard(of partition: PartitionID) -> Int { partition.shard(among: count) }
}

extension PartitionID {
    /// The index of the shard that has the partition, on a node with `count` shards.
    @inline(__always)
    func shard(among count: Int) -> Int { count == 1 ? 0 : Int(raw) % count }
}
