import KVCore
import KVStorage

/// A disk in memory that does everything that real disks may do, but do rarely.
///
/// - A power loss takes changes that were not synced. Of each unsynced write, all, some sectors, a beginning or nothing
///   survives, independently of the others. A change of a file's size survives or not. Names that were created, renamed
///   or removed since the last sync of their directory may be there or not.
/// - The disk stops at a chosen operation, fails a chosen operation, fills up, and flips bits on request.
///
/// Everything follows from the seed. The disk is `Sendable` because it is used by one thread only.
package final class SimulatedDisk: FileSystem, @unchecked Sendable {
    /// Of 1000 reads that must not block, how many do not find their data in memory.
    package var blockedReads = 0
    /// The number of bytes of file contents that fit.
    package var capacity: UInt64 = 1 << 40
    /// The number of the operation at which the disk stops. The operation may still take effect, but fails. Then
    /// everything fails until `losePower` or `killProcess`.
    package var stopAt: Int?
    /// The number of an operation that fails, and its `errno`.
    package var failAt: (operation: Int, code: Int32)?
    /// The number of operations so far that have changed something or made it durable. Reads do not count.
    package private(set) var operations = 0
    package private(set) var isStopped = false

    let root = SimulatedDirectory()
    private var random: SplitMix
    private var locks: Set<String> = []
    /// The number of crashes. File handles from before the last one are invalid.
    private(set) var generation = 0

    package init(seed: UInt64) { random = SplitMix(seed: seed) }

    // MARK: Faults

    /// The machine loses power, and with it some of the changes that were not synced. The disk works again afterwards.
    package func losePower() {
        let fate: SimulatedInode.Fate =
            switch random.below(4) {
            case 0: .lost
            case 1: .whole
            default: .mixed
            }
        root.losePower(fate, &random)
        restart()
    }

    /// The process ends, and its locks with it. All that it has written stays, synced or not.
    package func killProcess() { restart() }

    /// Flips one bit of a file, synced or not.
    package func flipBit(_ path: String, byte: Int, bit: Int) {
        guard let inode = inode(path), inode.content.indices.contains(byte) else { return }
        inode.flip(byte, UInt8(1 << (bit & 7)))
    }

    package func contents(_ path: String) -> [UInt8]? { inode(path)?.content }

    /// Replaces the contents of a file, durably.
    package func restore(_ path: String, _ bytes: [UInt8]) {
        guard let inode = inode(path) else { return }
        inode.reset(bytes)
    }

    /// The names in a directory, sorted. Empty if there is no such directory.
    package func names(_ directory: String) -> [String] {
        (self.directory(directory)?.entries.keys).map { $0.sorted() } ?? []
    }

    // MARK: FileSystem

    package func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File {
        try checkRunning("open", path)
        let (directory, name) = try parent("open", path)
        if case .create = mode {
            if directory.entries[name] != nil { throw error("open", path, 17, "File exists") }
            let inode = SimulatedInode()
            try perform("open", path) { directory.change([(name, .file(inode))]) }
            return SimulatedFile(self, inode, path)
        }
        guard case .file(let inode)? = directory.entries[name] else {
            throw error("open", path, 2, "No such file or directory")
        }
        return SimulatedFile(self, inode, path)
    }

    package func list(_ path: String) throws(FileError) -> [String] {
        try checkRunning("opendir", path)
        guard let directory = directory(path) else {
            throw error("opendir", path, 2, "No such file or directory")
        }
        return directory.entries.keys.sorted()
    }

    @discardableResult
    package func createDirectory(_ path: String) throws(FileError) -> Bool {
        try checkRunning("mkdir", path)
        if directory(path) != nil { return false }
        let (directory, name) = try parent("mkdir", path)
        try perform("mkdir", path) { directory.change([(name, .directory(SimulatedDirectory()))]) }
        return true
    }

    package func rename(_ path: String, to target: String) throws(FileError) {
        try checkRunning("rename", path)
        let (directory, name) = try parent("rename", path)
        let (other, targetName) = try parent("rename", target)
        guard let node = directory.entries[name], directory === other else {
            throw error("rename", path, 2, "No such file or directory")
        }
        try perform("rename", path) { directory.change([(targetName, node), (name, nil)]) }
    }

    package func unlink(_ path: String) throws(FileError) {
        try checkRunning("unlink", path)
        let (directory, name) = try parent("unlink", path)
        guard directory.entries[name] != nil else { throw error("unlink", path, 2, "No such file or directory") }
        try perform("unlink", path) { directory.change([(name, nil)]) }
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        try checkRunning("fsync", path)
        guard let directory = directory(path) else { throw error("fsync", path, 2, "No such file or directory") }
        try perform("fsync", path) { directory.sync() }
    }

    package func lock(_ path: String) throws(FileError) -> (any FileLock)? {
        try checkRunning("flock", path)
        let (directory, name) = try parent("flock", path)
        if directory.entries[name] == nil {
            try perform("open", path) { directory.change([(name, .file(SimulatedInode()))]) }
        }
        guard locks.insert(path).inserted else { return nil }
        return SimulatedLock(self, path)
    }

    package func space(_ directory: String) throws(FileError) -> VolumeSpace {
        try checkRunning("statvfs", directory)
        let used = root.size
        return VolumeSpace(free: capacity > used ? capacity - used : 0, total: capacity)
    }

    // MARK: For files

    /// Counts an operation and performs it, unless it is the one that fails or stops the disk.
    func perform(_ operation: String, _ path: String, _ body: () -> Void) throws(FileError) {
        try checkRunning(operation, path)
        operations += 1
        if let failAt, failAt.operation == operations {
            throw error(operation, path, failAt.code, "Simulated failure")
        }
        if operations == stopAt {
            if random.below(2) == 0 { body() }
            isStopped = true
            try checkRunning(operation, path)
        }
        body()
    }

    func checkRunning(_ operation: String, _ path: String) throws(FileError) {
        if isStopped { throw error(operation, path, 5, "The disk has stopped") }
    }

    func error(_ operation: String, _ path: String, _ code: Int32, _ reason: String) -> FileError {
        FileError(operation: operation, path: path, code: code, reason: reason)
    }

    func hasRoom(_ bytes: Int) -> Bool { bytes <= 0 || root.size + UInt64(bytes) <= capacity }

    func wouldBlock() -> Bool { blockedReads > 0 && random.below(1000) < UInt64(blockedReads) }

    func unlock(_ path: String, _ generation: Int) {
        if generation == self.generation { locks.remove(path) }
    }

    // MARK: Paths

    private func restart() {
        generation += 1
        isStopped = false
        stopAt = nil
        locks = []
    }

    private func components(_ path: String) -> [Substring] { path.split(separator: "/").filter { $0 != "." } }

    private func directory(_ path: String) -> SimulatedDirectory? {
        var directory = root
        for name in components(path) {
            guard case .directory(let next)? = directory.entries[String(name)] else { return nil }
            directory = next
        }
        return directory
    }

    private func parent(_ operation: String, _ path: String) throws(FileError) -> (SimulatedDirectory, String) {
        let names = components(path)
        guard let last = names.last, let directory = directory(names.dropLast().joined(separator: "/")) else {
            throw error(operation, path, 2, "No such file or directory")
        }
        return (directory, String(last))
    }

    private func inode(_ path: String) -> SimulatedInode? {
        guard let (directory, name) = try? parent("open", path), case .file(let inode)? = directory.entries[name]
        else { return nil }
        return inode
    }
}

private final class SimulatedLock: FileLock, @unchecked Sendable {
    private let disk: SimulatedDisk
    private let path: String
    private let generation: Int

    init(_ disk: SimulatedDisk, _ path: String) {
        self.disk = disk
        self.path = path
        generation = disk.generation
    }

    deinit { disk.unlock(path, generation) }

    var isInPlace: Bool { true }
}

extension SplitMix {
    /// A number in `0 ..< bound`, or 0 if the bound is 0.
    mutating func below(_ bound: UInt64) -> UInt64 { bound == 0 ? 0 : next() % bound }
}
