import KVCore

/// Decides when an append counts as durable. Promises, wipes and purge floors are synced in every mode.
package enum SyncMode: Hashable, Sendable {
    /// After `fdatasync`: survives power loss.
    case always
    /// After the write: survives the end of the process. Synced at least this often.
    case interval(Nanoseconds)
    /// After the write: the operating system syncs when it likes.
    case never
}

package struct StoreOptions: Sendable {
    /// The shard's own directory; created if its parent is there.
    package var directory: String
    /// The store's identity: segments of any other store are refused.
    package var store: UUID128
    /// The number of this shard among the node's: segments of any other shard are refused.
    package var shard: UInt16
    package var sync = SyncMode.always
    /// The most bytes of values kept in memory.
    package var cache = 256 << 20
    /// The size in bytes after which a new segment begins at the latest; at most `maximumSegment`. The last batch of a
    /// segment may exceed it. A store that holds little begins one earlier: see `LogStore.segmentSize`.
    package var segment = defaultSegment
    /// The size in bytes that no segment is ended below because its store holds little.
    package var smallestSegment = 16 << 20
    /// The free bytes below which `acceptsWrites` is false. Nil: two segments or 64 MiB, whichever is more, but no more
    /// than an eighth of the volume.
    package var reserve: UInt64?
    /// The bytes of unwritten appends beyond which no more copies are accepted.
    package var maximumPending = 64 << 20
    /// The bytes that one step of maintenance reads.
    package var mergeStep = 256 << 10
    /// The most records of such a step that are looked at in one turn of the event loop: some 1 us each.
    package var mergeRecords = 256
    /// The most entries of the index that are looked at in one turn of the event loop to drop purged tombstones and to
    /// give memory back: some 0.1 ms of work.
    package var indexStep = 4096
    /// The percentage of a segment's bytes that must be garbage before it is merged because the log has grown too long.
    package var mergeGarbage = 40
    /// The percentage of a segment's bytes from which it is merged however short the log is: little is left to copy.
    package var cheapGarbage = 75
    /// The rate at which sealed segments are read again, to find damage while other replicas still have the records.
    /// Bytes per second; 0 for never.
    package var scrub = 0
    /// The most damaged records that may wait to be fetched from other replicas; with more, the store fails.
    package var maximumDamage = 1000
    /// The bytes by which the newest segment's file grows ahead of its writes.
    package var preallocation = 16 << 20

    package static let defaultSegment = 256 << 20
    package static let maximumSegment = 1 << 30

    package init(directory: String, store: UUID128, shard: UInt16 = 0) {
        self.directory = directory
        self.store = store
        self.shard = shard
    }

    /// The reserve in bytes on this volume; see `reserve`.
    func reserve(of volume: VolumeSpace) -> UInt64 {
        reserve ?? min(max(2 * UInt64(max(segment, 0)), 64 << 20), volume.total / 8)
    }
}
