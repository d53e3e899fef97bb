import KVCore

/// When an append counts as durable. Promises, wipes and purge floors are synced in every mode.
package enum SyncMode: Hashable, Sendable {
    /// After `fdatasync`: survives power loss.
    case always
    /// After the write: survives the process. Synced at least this often.
    case interval(Nanoseconds)
    /// After the write; the operating system syncs when it likes.
    case never
}

package struct StoreOptions: Sendable {
    /// The shard's own directory; created if its parent is there.
    package var directory: String
    /// The store's identity: segments of any other are refused.
    package var store: UUID128
    /// Which of the node's shards this is: segments of any other are refused.
    package var shard: UInt16
    package var sync = SyncMode.always
    /// Bytes of values kept in memory at most.
    package var cache = 256 << 20
    /// Bytes after which a new segment begins; at most `maximumSegment`. The last batch of a segment may exceed it.
    package var segment = defaultSegment
    /// Free bytes below which `acceptsWrites` is false. Nil: two segments or 64 MiB, whichever is more, but no more
    /// than an eighth of the volume.
    package var reserve: UInt64?
    /// Bytes of appends that are not written yet, beyond which no more copies are taken.
    package var maximumPending = 64 << 20
    /// Bytes that one step of maintenance reads.
    package var mergeStep = 256 << 10
    /// Percent of a segment's bytes that must be garbage before it is merged.
    package var mergeGarbage = 50
    /// Bytes a second of sealed segments that are read again, to find what the disk has spoiled while other replicas
    /// still have it; 0 for none.
    package var scrub = 0
    /// Records that wait at a time to be had from other replicas; with more, the disk is given up.
    package var maximumDamage = 1000
    /// Bytes by which the newest segment's file grows ahead of its writes.
    package var preallocation = 16 << 20

    package static let defaultSegment = 256 << 20
    package static let maximumSegment = 1 << 30

    package init(directory: String, store: UUID128, shard: UInt16 = 0) {
        self.directory = directory
        self.store = store
        self.shard = shard
    }

    /// Bytes; see `reserve`.
    func reserve(of volume: VolumeSpace) -> UInt64 {
        reserve ?? min(max(2 * UInt64(max(segment, 0)), 64 << 20), volume.total / 8)
    }
}
