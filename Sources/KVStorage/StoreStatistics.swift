/// Counts since the store was opened, and sizes now. Bytes, unless the name says otherwise.
public struct StoreStatistics: Hashable, Sendable {
    public var segments = 0
    /// Of all written batches.
    public var diskBytes: UInt64 = 0
    /// Of the records that are still needed.
    public var liveBytes = 0
    /// Appended and not written yet.
    public var pendingBytes = 0
    public var commits = 0
    /// Commits that ended with a sync, and syncs beside them.
    public var syncs = 0
    public var writtenBytes: UInt64 = 0
    /// Written again by merging.
    public var mergedBytes: UInt64 = 0
    public var mergedSegments = 0
    /// Found to be not what was written, since the store was opened; and of those, written again.
    public var damagedRecords = 0
    public var repairedRecords = 0
    /// Read again by scrubbing.
    public var scrubbedBytes: UInt64 = 0
    public var cacheBytes = 0
    public var cacheHits = 0
    public var cacheMisses = 0
    /// As last measured.
    public var freeBytes: UInt64 = 0
}
