import KVCore

/// Removes a segment that nothing refers to any more. The records that replaced its own are synced first.
struct SegmentRemoval: Sendable {
    let fileSystem: any FileSystem
    let directory: String
    let identity: IdentityFile?
    let shard: UInt16
    let number: UInt32
    /// The segment's file: closed with the removal.
    let file: (any File)?
    let hasSidecar: Bool
    /// True when its sidecar was begun and is not complete.
    let hasTemporary: Bool
    /// The newest segment, if it has written but unsynced records that replaced this segment's.
    let unsynced: (any File)?

    func run() throws(StoreError) {
        do {
            try unsynced?.sync()
            try identity?.changeManifest(ofShard: shard) { $0.remove(number) }
            try fileSystem.unlink(directory + "/" + FileName.segment(number))
            let sidecar = directory + "/" + FileName.sidecar(number)
            if hasSidecar { try fileSystem.unlink(sidecar) }
            if hasTemporary { try fileSystem.unlink(FileName.temporary(sidecar)) }
            try fileSystem.syncDirectory(directory)
        } catch {
            throw .io(error)
        }
    }
}
