import KVCore

/// One write of everything that was appended since the last one, and a sync if the mode asks for it. Run it on a
/// storage thread and give its result to `LogStore.completed`.
package struct CommitJob: Sendable {
    /// The segment that the first batch of a segment creates, after the previous one is sealed.
    struct NewSegment: Sendable {
        var identity: IdentityFile?
        var previous: (any File)?
        var header: SegmentHeader
    }

    let fileSystem: any FileSystem
    let directory: String
    let buffer: LogBuffer
    let path: String
    /// The segment's file; nil when `newSegment` creates it.
    let file: (any File)?
    let newSegment: NewSegment?
    /// The length that the file should have; nil when it has it.
    let preallocation: UInt64?
    let sync: Bool
    let measure: Bool

    /// The size of the batch.
    package var bytes: Int { buffer.closed.count }

    /// True when the job only copies a few bytes to the page cache, which takes less time than handing it to another
    /// thread.
    package var isQuick: Bool {
        !sync && !measure && file != nil && newSegment == nil && preallocation == nil && bytes <= Self.quickBytes
    }

    /// The most bytes of a batch that is written on the event loop.
    private static let quickBytes = 256 << 10

    /// Blocks.
    package func run() -> CommitResult {
        do throws(FileError) {
            let file = try openFile()
            // With a sync for every batch, unwritten blocks would make the file system record each time that they are
            // in use now.
            if let preallocation { file.preallocate(to: preallocation, written: sync) }
            try file.write(buffer.closed, at: UInt64(buffer.offset))
            if sync { try file.sync() }
            return CommitResult(outcome: .success(file), space: measure ? try? fileSystem.space(directory) : nil)
        } catch {
            return CommitResult(outcome: .failure(.io(error)), space: nil)
        }
    }

    private func openFile() throws(FileError) -> any File {
        if let file { return file }
        if let newSegment {
            if let previous = newSegment.previous {
                try previous.truncate(to: newSegment.header.previousEnd)
                try previous.sync()
            }
            let file = try fileSystem.open(path, .create)
            try writeHeader(newSegment.header, file)
            // No batch is written before the header is on disk. From here on a bad header is damage.
            try file.sync()
            try fileSystem.syncDirectory(directory)
            // From here on a missing segment is damage, too.
            try newSegment.identity?.changeManifest(ofShard: newSegment.header.identity.shard) { manifest in
                manifest.add(newSegment.header.identity.number)
                manifest.synced(newSegment.header.firstBatch - 1)
            }
            return file
        }
        return try fileSystem.open(path, .readWrite)
    }

    private func writeHeader(_ header: SegmentHeader, _ file: any File) throws(FileError) {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: SegmentHeader.size, alignment: 8)
        defer { bytes.deallocate() }
        if let base = bytes.baseAddress { header.encode(into: base) }
        try file.write(UnsafeRawBufferPointer(bytes), at: 0)
    }
}

package struct CommitResult: Sendable {
    /// The segment's file.
    let outcome: Result<any File, StoreError>
    let space: VolumeSpace?
}

/// A sync of what has been written, when commits do not sync. It may run beside a commit.
package struct SyncJob: Sendable {
    let file: any File
    let position: LogPosition
    let batch: UInt64

    /// Blocks.
    package func run() -> SyncResult {
        do {
            try file.sync()
            return SyncResult(position: position, batch: batch, error: nil)
        } catch {
            return SyncResult(position: position, batch: batch, error: .io(error))
        }
    }
}

package struct SyncResult: Sendable {
    let position: LogPosition
    let batch: UInt64
    let error: StoreError?
}
