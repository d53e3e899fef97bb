import KVCore

package enum LoadReply: Sendable {
    case load(NodeLoad)
    /// So many are being measured already (`NodeLoad.maximumMeasurements`).
    case tooMany
    case refused(Refusal)
}

/// What a node has served in some time, and what it holds.
package struct NodeLoad: Sendable {
    package struct Partition: Sendable {
        package var shard: Int
        /// The id of the node that leads it, as far as this node knows.
        package var leader: String?
        package var load: PartitionLoad

        package init(shard: Int, leader: String?, load: PartitionLoad) {
            self.shard = shard
            self.leader = leader
            self.load = load
        }
    }

    /// By shard.
    package var shards: [ShardLoad]
    /// The partitions with the most requests of clients, the busiest first, at most `maximumBusiest`.
    package var busiest: [Partition]

    package static let maximumBusiest = 20
    /// The number of measurements that a node makes at a time: for each it keeps the counts of all its partitions.
    package static let maximumMeasurements = 8
    /// The time over which a node counts, if it is not asked for another one.
    package static let defaultSpan = Nanoseconds.milliseconds(1000)
    package static let spans = Nanoseconds.milliseconds(100)...Nanoseconds.milliseconds(10_000)

    /// - Parameters:
    ///   - shards: By shard.
    ///   - partitions: The busiest of each shard.
    package init(shards: [ShardLoad], partitions: [Partition]) {
        self.shards = shards
        let sorted = partitions.sorted {
            let (first, second) = ($0.load, $1.load)
            return (second.served.requests, first.partition) < (first.served.requests, second.partition)
        }
        busiest = Array(sorted.prefix(Self.maximumBusiest))
    }
}
