/// What one node has served in some time, and what it holds: `GET /v1/load`.
public struct LoadStatus: Codable, Hashable, Sendable {
    /// A shard of the node: an event loop with a part of its partitions.
    public struct Shard: Codable, Hashable, Sendable {
        /// From 0.
        public var shard: Int
        /// The number of partitions of which it holds a replica.
        public var partitions: Int
        /// The number of partitions among them that the node leads.
        public var leaders: Int
        /// Reads per second that it has served, as the leader or from its own copy.
        public var reads: Double
        /// Changes per second that it has carried out as the leader.
        public var writes: Double
        /// Changes per second of other nodes' leaders that it has stored.
        public var copies: Double
        public var keys: UInt64
        /// The bytes of these keys and their values.
        public var bytes: UInt64
    }

    /// A partition, as far as this node serves it.
    public struct Partition: Codable, Hashable, Sendable {
        public var partition: Int
        /// The shard of the node that has it.
        public var shard: Int
        /// The id of the node that leads it; nil if this node knows none.
        public var leader: String?
        public var reads: Double
        public var writes: Double
        public var copies: Double
        public var keys: UInt64
        public var bytes: UInt64

        /// Encodes as the server does: an unknown leader is null and not left out.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(partition, forKey: .partition)
            try fields.encode(shard, forKey: .shard)
            try fields.encode(leader, forKey: .leader)
            try fields.encode(reads, forKey: .reads)
            try fields.encode(writes, forKey: .writes)
            try fields.encode(copies, forKey: .copies)
            try fields.encode(keys, forKey: .keys)
            try fields.encode(bytes, forKey: .bytes)
        }
    }

    /// The id of the node.
    public var node: String
    /// The time that the node has counted over.
    public var milliseconds: Int
    public var shards: [Shard]
    /// At most 20 partitions, those with the most reads and writes, the busiest first. None without any.
    public var busiest: [Partition]
}
