/// Counts since the store was opened, and sizes now. Bytes, unless the name says otherwise.
package struct StoreStatistics: Hashable, Sendable {
    package var segments = 0
    /// Of all written batches.
    package var diskBytes: UInt64 = 0
    /// Of the records that are still needed.
    package var liveBytes = 0
    /// Appended and not written yet.
    package var pendingBytes = 0
    package var commits = 0
    /// Commits that ended with a sync, and syncs beside them.
    package var syncs = 0
    package var writtenBytes: UInt64 = 0
    /// Written again by merging.
    package var mergedBytes: UInt64 = 0
    package var mergedSegments = 0
    /// Found to be not what was written, since the store was opened; and of those, written again.
    package var damagedRecords = 0
    package var repairedRecords = 0
    /// Read again by scrubbing.
    package var scrubbedBytes: UInt64 = 0
    package var cacheBytes = 0
    package var cacheHits = 0
    package var cacheMisses = 0
    /// As last measured.
    package var freeBytes: UInt64 = 0
}
