import KVStorage

/// A handle of a file on a `SimulatedDisk`. It is invalid after a crash of the disk.
final class SimulatedFile: File, @unchecked Sendable {
    private let disk: SimulatedDisk
    private let inode: SimulatedInode
    private let path: String
    private let generation: Int

    init(_ disk: SimulatedDisk, _ inode: SimulatedInode, _ path: String) {
        self.disk = disk
        self.inode = inode
        self.path = path
        generation = disk.generation
    }

    func size() throws(FileError) -> UInt64 {
        try check("fstat")
        return UInt64(inode.content.count)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
        try check("pread")
        let start = min(Int(clamping: offset), inode.content.count)
        let count = min(buffer.count, inode.content.count - start)
        inode.content.withUnsafeBytes { content in
            buffer[..<count].copyBytes(from: content[start..<start + count])
        }
        return count
    }

    func readNoWait(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Bool {
        if disk.wouldBlock() { return false }
        return (try? read(into: buffer, at: offset)) == buffer.count
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
        try check("pwrite")
        let offset = Int(clamping: offset)
        guard disk.hasRoom(offset + buffer.count - inode.content.count) else {
            throw disk.error("pwrite", path, 28, "No space left on device")
        }
        try disk.perform("pwrite", path) { inode.write(Array(buffer), at: offset) }
    }

    func sync() throws(FileError) {
        try check("fdatasync")
        try disk.perform("fdatasync", path) { inode.sync() }
    }

    func preallocate(to size: UInt64, written: Bool) {
        guard (try? check("fallocate")) != nil, inode.content.count < size,
            disk.hasRoom(Int(clamping: size) - inode.content.count)
        else { return }
        try? disk.perform("fallocate", path) { inode.resize(to: Int(clamping: size)) }
    }

    func truncate(to size: UInt64) throws(FileError) {
        try check("ftruncate")
        try disk.perform("ftruncate", path) { inode.resize(to: Int(clamping: size)) }
    }

    private func check(_ operation: String) throws(FileError) {
        try disk.checkRunning(operation, path)
        if generation != disk.generation {
            throw disk.error(operation, path, 5, "The file was opened before a crash")
        }
    }
}
