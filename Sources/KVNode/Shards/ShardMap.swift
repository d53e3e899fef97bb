import KVCore

/// Maps partitions to the shards of a node. A partition that a split has made stays in the shard of the one it has come
/// of, because its records are in that shard's store.
struct ShardMap: Equatable, Sendable {
    /// As when the cluster was created.
    let slots: SlotMap
    /// The number of shards of the node, 1 or more.
    let count: Int

    init(_ settings: ClusterSettings, count: Int) {
        slots = SlotMap(founding: settings.partitions)
        self.count = count
    }

    @inline(__always)
    func shard(of partition: PartitionID) -> Int { count == 1 ? 0 : Int(slots.ancestor(of: partition).raw) % count }
}
