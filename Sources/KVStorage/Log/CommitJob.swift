import KVCore

/// One write of everything that was appended since the last one, and a sync where the mode asks for it.
/// To be run on a storage thread; its result goes to `LogStore.completed`.
package struct CommitJob: Sendable {
    /// The first batch of a segment creates it, after the one before it is sealed.
    struct NewSegment: Sendable {
        var identity: IdentityFile?
        var previous: (any File)?
        var header: SegmentHeader
    }

    let fileSystem: any FileSystem
    let directory: String
    let buffer: LogBuffer
    let path: String
    /// Nil where `newSegment` is to make it.
    let file: (any File)?
    let newSegment: NewSegment?
    /// How far the file should reach; nil where it does.
    let preallocation: UInt64?
    let sync: Bool
    let measure: Bool

    /// Bytes of the batch.
    package var bytes: Int { buffer.closed.count }

    /// Whether it only copies some bytes to the page cache, which takes less time than to hand it to another thread.
    package var isQuick: Bool {
        !sync && !measure && file != nil && newSegment == nil && preallocation == nil && bytes <= Self.quickBytes
    }

    /// Bytes, at most, of a batch that is written where it was gathered.
    private static let quickBytes = 256 << 10

    /// Blocks.
    package func run() -> CommitResult {
        do throws(FileError) {
            let file = try openFile()
            // Where every batch is synced, the file system would note each time that reserved blocks are in use now.
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
            // From here on a bad header is damage: no batch is written before it is on disk.
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

/// A sync of what has been written, where commits do not sync. May run beside a commit.
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
