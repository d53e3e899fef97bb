import KVCore
import KVStorage

/// A disk in memory that does what disks are allowed to do and rarely do.
///
/// - A power loss takes what was not synced: of each unsynced write all, some sectors, a beginning or nothing survives,
///   independently of the others; the same goes for changes of a file's size. Names that were created, renamed or
///   unlinked since the directory was last synced may be there, or not.
/// - It stops at a chosen operation, fails a chosen operation, fills up, and flips bits on request.
///
/// All of it follows from the seed. Confined to one thread, which is what makes it `Sendable`.
package final class SimulatedDisk: FileSystem, @unchecked Sendable {
    /// How often something that may wait does not find its data in memory, of 1000 times.
    package var blockedReads = 0
    /// Bytes of file contents that fit.
    package var capacity: UInt64 = 1 << 40
    /// The operation that is the last one: it may still happen, but does not return. Then everything fails until
    /// `losePower` or `killProcess`.
    package var stopAt: Int?
    /// The operation that fails, and with what `errno`.
    package var failAt: (operation: Int, code: Int32)?
    /// Operations so far that change something or make it durable. Reads do not count.
    package private(set) var operations = 0
    /// Whether it has come to a stop.
    package private(set) var isStopped = false

    let root = SimulatedDirectory()
    private var random: SplitMix
    private var locks: Set<String> = []
    /// Counts crashes: handles from before one are void.
    private(set) var generation = 0

    package init(seed: UInt64) { random = SplitMix(seed: seed) }

    // MARK: Faults

    /// Everything stops, and what was not synced is at risk. The disk works again afterwards.
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

    /// The process ends, and with it its locks; what it has written stays, synced or not.
    package func killProcess() { restart() }

    /// Flips one bit of what is in a file, synced or not.
    package func flipBit(_ path: String, byte: Int, bit: Int) {
        guard let inode = inode(path), inode.content.indices.contains(byte) else { return }
        inode.flip(byte, UInt8(1 << (bit & 7)))
    }

    package func contents(_ path: String) -> [UInt8]? { inode(path)?.content }

    /// Replaces a file, as if it had always been so.
    package func restore(_ path: String, _ bytes: [UInt8]) {
        guard let inode = inode(path) else { return }
        inode.reset(bytes)
    }

    /// Names in a directory, sorted; empty where there is none.
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

    /// Counts an operation and does it, unless it is the one to fail or stop at.
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
    /// `0 ..< bound`; 0 for a bound of 0.
    mutating func below(_ bound: UInt64) -> UInt64 { bound == 0 ? 0 : next() % bound }
}
