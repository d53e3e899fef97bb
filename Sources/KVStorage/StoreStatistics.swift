/// Counts since the store was opened, and present sizes. In bytes, unless the name says otherwise.
package struct StoreStatistics: Hashable, Sendable {
    package var segments = 0
    /// The size of all written batches.
    package var diskBytes: UInt64 = 0
    /// The size of the records that are still needed.
    package var liveBytes = 0
    /// The size of appends that are not written yet.
    package var pendingBytes = 0
    package var commits = 0
    /// Commits that ended with a sync, and separate syncs.
    package var syncs = 0
    package var writtenBytes: UInt64 = 0
    /// Bytes that merging appended again.
    package var mergedBytes: UInt64 = 0
    package var mergedSegments = 0
    /// Records that were found damaged since the store was opened, and how many of them were written again.
    package var damagedRecords = 0
    package var repairedRecords = 0
    /// Bytes that scrubbing read.
    package var scrubbedBytes: UInt64 = 0
    package var cacheBytes = 0
    package var cacheHits = 0
    package var cacheMisses = 0
    /// The volume's free space when it was last measured.
    package var freeBytes: UInt64 = 0
}
