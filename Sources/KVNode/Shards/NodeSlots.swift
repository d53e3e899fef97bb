import KVAPI
import KVCore

/// Which partition has which slots at this node, by the topology that each of its shards goes by. One shard may go by a
/// later topology than others.
struct NodeSlots: Equatable, Sendable {
    private let shards: ShardMap
    /// By shard.
    private let maps: [SlotMap]

    init(_ shards: ShardMap, _ maps: [SlotMap]) {
        self.shards = shards
        self.maps = maps
    }

    func partition(of slot: Slot) -> PartitionID {
        maps[shards.shard(of: shards.slots.partition(of: slot))].partition(of: slot)
    }

    /// The slots of a partition; nil where its shard has yet to hear of it.
    func slots(of partition: PartitionID) -> ClosedRange<Slot>? {
        maps[shards.shard(of: partition)].slots(of: partition)
    }

    /// The partitions of a scope, in the order of their slots; nil where a partition is in it in part. (The scope goes
    /// by a later topology than the partition's shard.)
    func partitions(of scope: KeyScope) -> [PartitionID]? {
        var partitions: [PartitionID] = []
        var next: Slot? = Slot(0)
        while let slot = next, let first = scope.first(from: slot) {
            let partition = partition(of: first)
            guard let slots = slots(of: partition), scope.contains(slots) else { return nil }
            partitions.append(partition)
            next = slots.upperBound.next
        }
        return partitions
    }
}
