/// Maps partitions to the shards of a node. A partition that a split has made stays in the shard of the one it has come
/// of, because its records are in that shard's store.
package struct ShardMap: Equatable, Sendable {
    /// As when the cluster was created.
    package let slots: SlotMap
    /// The number of shards of the node, 1 or more.
    package let count: Int

    /// - Parameter slots: those of the cluster when it was created.
    package init(founding slots: SlotMap, count: Int) {
        self.slots = slots
        self.count = count
    }

    package init(_ settings: ClusterSettings, count: Int) {
        self.init(founding: SlotMap(founding: settings.partitions), count: count)
    }

    @inlinable
    package func shard(of partition: PartitionID) -> Int { slots.shard(of: partition, among: count) }
}

extension PeerMessage {
    package enum Destination: Hashable, Sendable {
        case shard(Int)
        case all
    }

    /// The shards of a node that a message is for.
    package func destination(_ shards: ShardMap) -> Destination {
        switch self {
        case .replica(let header, _): .shard(shards.shard(of: header.partition))
        case .request(let header, _): .shard(shards.shard(of: header.partition))
        case .reply(let id, _): .shard(min(id.shard, shards.count - 1))
        case .shards: .all
        // The first shard's runner handles messages about the whole node.
        case .node: .shard(0)
        }
    }
}
