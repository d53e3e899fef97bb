/// The decisions of one shard: the partitions that one event loop owns, and the requests of the clients connected to it.
///
/// Inputs come through `handle`; what is to be done about them gathers in `effects`. `flush` ends a tick: it is called
/// once after every batch of inputs and sends what the batch amounts to.
public struct Shard<Store: RecordStore> {
    public let me: NodeNumber
    public let store: Store
    /// What the caller is to perform, in order; it empties the array.
    public var effects: [ShardEffect] = []

    /// - Parameters:
    ///   - boot: this process's boot counter, above that of every process before it on this store.
    ///   - partitions: those this shard owns; it serves the ones whose replica set has `me`, and routes for all.
    ///   - seed: of the jitter in retries.
    public init(
        me: NodeNumber, boot: UInt64, topology: Topology, partitions: [PartitionID], store: Store,
        options: ShardOptions, seed: UInt64, now: Now
    ) {
        self.me = me
        self.store = store
    }

    public mutating func handle(_ input: ShardInput, now: Now) {
    }

    public mutating func flush(now: Now) {
    }

    /// Who leads a partition, as far as this node knows.
    public func leader(of partition: PartitionID) -> NodeNumber? { nil }
}
