import CChecksum
import KVCore
import Synchronization

/// The identity of a data directory and what its node must not forget: one small file above the shards' directories.
/// Every change replaces it as a whole: a new file is written beside it, synced and renamed, and the directory is
/// synced.
///
/// Opening it counts the start (`boot`) and takes an exclusive lock on the directory, held until the object is
/// deinitialized.
package final class IdentityFile: Sendable {
    package static let format: UInt32 = 1
    static let name = "identity"
    private static let temporaryName = name + ".new"
    private static let magic = Array("kv-ident".utf8)
    /// Magic, format, length of the payload, checksum of the payload.
    private static let headerSize = 20

    /// The store's id: random, made with the directory, different for each store that a node of this id has ever had.
    package let store: UUID128
    /// The number of starts of this store, this one included.
    package let boot: UInt64
    /// The latest starts of this store, this one last; at most `ProcessStart.maximumRemembered`.
    package let starts: [ProcessStart]
    /// The number of shards that the data is divided into, each in its own directory.
    package let shards: Int

    /// The path of the file itself.
    package let path: String
    private let directory: String
    private let fileSystem: any FileSystem
    private let lock: any FileLock
    private let entries: Mutex<[String: [UInt8]]>

    enum Entry {
        static let node = "node"
        static let cluster = "cluster"
        static let store = "store"
        static let boot = "boot"
        static let starts = "starts"
        static let shards = "shards"
        /// The start up to which the manifests have been kept. If another start is the newest, a version that does not
        /// keep them has run since, and they are ignored.
        static let manifestBoot = "manifest.boot"
        static func manifest(_ shard: UInt16) -> String { "manifest.\(shard)" }
        static let reserved: Set = [node, cluster, store, boot, starts, shards]
        static func isReserved(_ name: String) -> Bool { reserved.contains(name) || name.hasPrefix("manifest.") }
    }

    /// Creates the missing directories above a data directory, and makes them durable, including those that an earlier
    /// start created but did not sync. Blocks.
    /// - Throws: `notWritable`
    package static func makeParents(
        of directory: String, fileSystem: any FileSystem = SystemFileSystem()
    ) throws(StoreError) {
        var parent = directory.hasPrefix("/") ? "/" : "."
        for part in directory.split(separator: "/").dropLast() where part != "." {
            let made = parent == "." ? String(part) : parent == "/" ? "/\(part)" : "\(parent)/\(part)"
            do throws(FileError) {
                let isNew = try fileSystem.createDirectory(made)
                // This user may not be allowed to read a system directory, but that was on disk long ago.
                do throws(FileError) { try fileSystem.syncDirectory(parent) } catch { if isNew { throw error } }
            } catch {
                throw .notWritable(directory: directory, error)
            }
            parent = made
        }
    }

    /// Takes the exclusive lock on a node's data directory, which is created if needed; its parent must exist. What is
    /// read under the lock stays true while it is held.
    /// - Throws: `locked`, `notWritable`
    package static func lock(
        _ directory: String, fileSystem: any FileSystem = SystemFileSystem()
    ) throws(StoreError) -> any FileLock {
        let lock: (any FileLock)?
        do throws(FileError) {
            try fileSystem.createDirectory(directory)
            try fileSystem.syncDirectory(Recovery.parent(of: directory))
            lock = try fileSystem.lock("\(directory)/lock")
        } catch {
            throw .notWritable(directory: directory, error)
        }
        guard let lock else { throw .locked(directory: directory) }
        return lock
    }

    /// Opens a node's data directory, or creates it; its parent must exist.
    ///
    /// - Parameters:
    ///   - lock: the lock on the directory, if the caller has taken it.
    ///   - cluster: the cluster that the directory must belong to, unless it belongs to none yet; nil accepts any.
    ///   - newStore: the id of the store if this creates the directory; random.
    ///   - newShards: the number of shards if this creates the directory.
    ///   - nonce: a random number that tells this start from all others, also from those of copies of the directory.
    /// - Throws: `locked`, `notWritable`, `foreign` (another node's or cluster's), `newerFormat`, `damaged`, `io`.
    package init(
        directory: String, fileSystem: any FileSystem = SystemFileSystem(), lock: (any FileLock)? = nil, node: String,
        cluster: UUID128?, newStore: UUID128, newShards: Int, nonce: UInt64
    ) throws(StoreError) {
        self.directory = directory
        self.fileSystem = fileSystem
        if let lock { self.lock = lock } else { self.lock = try Self.lock(directory, fileSystem: fileSystem) }

        let path = "\(directory)/\(Self.name)"
        self.path = path
        var entries = try Self.read(path, in: directory, fileSystem)
        if entries == nil {
            entries = [
                Entry.node: Array(node.utf8), Entry.store: Array("\(newStore)".utf8),
                Entry.shards: Array("\(newShards)".utf8), Entry.boot: Array("0".utf8),
            ]
        }
        let found = entries ?? [:]
        func text(_ name: String) -> String { String(decoding: found[name] ?? [], as: UTF8.self) }
        guard let store = UUID128(text(Entry.store)), let boot = UInt64(text(Entry.boot)), boot < .max,
            let shards = Int(text(Entry.shards)), (1...Self.maximumShards).contains(shards)
        else { throw .damaged(file: path, offset: 0, detail: "an entry is missing or unreadable") }
        guard text(Entry.node) == node else {
            throw .foreign(file: directory, detail: "this is the data of node \(text(Entry.node)), not of \(node)")
        }
        if let cluster, found[Entry.cluster] != nil, text(Entry.cluster) != "\(cluster)" {
            throw .foreign(
                file: directory,
                detail: "this is the data of the cluster \(text(Entry.cluster)), and the configuration is of \(cluster)"
            )
        }
        self.store = store
        self.boot = boot + 1
        self.shards = shards
        var starts = try Self.starts(found[Entry.starts] ?? [], file: path)
        starts.append(ProcessStart(boot: boot + 1, nonce: nonce))
        self.starts = starts.suffix(ProcessStart.maximumRemembered)
        var counted = found
        counted[Entry.starts] = Array(
            self.starts.map { "\($0.boot):\(String($0.nonce, radix: 16))" }.joined(separator: " ").utf8)
        counted[Entry.boot] = Array("\(boot + 1)".utf8)
        if let cluster { counted[Entry.cluster] = Array("\(cluster)".utf8) }
        if text(Entry.manifestBoot) == "\(boot)" {
            counted[Entry.manifestBoot] = counted[Entry.boot]
        } else {
            counted = counted.filter { !$0.key.hasPrefix("manifest.") }
        }
        self.entries = Mutex(counted)
        do throws(FileError) {
            try Self.write(counted, path, in: directory, fileSystem)
        } catch {
            throw .notWritable(directory: directory, error)
        }
    }

    static let maximumShards = 64

    /// Parses the list of starts. Stores of earlier versions have none.
    private static func starts(_ entry: [UInt8], file: String) throws(StoreError) -> [ProcessStart] {
        var starts: [ProcessStart] = []
        for word in String(decoding: entry, as: UTF8.self).split(separator: " ") {
            let parts = word.split(separator: ":")
            guard parts.count == 2, let boot = UInt64(parts[0]), let nonce = UInt64(parts[1], radix: 16) else {
                throw .damaged(file: file, offset: 0, detail: "its list of starts is unreadable")
            }
            starts.append(ProcessStart(boot: boot, nonce: nonce))
        }
        return starts
    }

    /// True while the directory is where it was opened and this file is in it; false once it was deleted, moved or
    /// replaced under the process. Blocks.
    package var isInPlace: Bool {
        lock.isInPlace && (try? fileSystem.list(directory))?.contains(Self.name) ?? true
    }

    /// The bytes kept under a name; nil if there are none.
    package func entry(_ name: String) -> [UInt8]? { entries.withLock { $0[name] } }

    /// The cluster that the directory belongs to; nil before its node has been admitted to one.
    package var cluster: UUID128? { entry(Entry.cluster).flatMap { UUID128(String(decoding: $0, as: UTF8.self)) } }

    /// Keeps the cluster that the node has been admitted to; durable when this returns. Blocks.
    package func setCluster(_ cluster: UUID128) throws(StoreError) {
        guard self.cluster != cluster else { return }
        try set(Entry.cluster, Array("\(cluster)".utf8))
    }

    /// Keeps bytes under a name; durable when this returns. Blocks.
    package func setEntry(_ name: String, _ bytes: [UInt8]) throws(StoreError) {
        precondition(!Entry.isReserved(name), "the entry \(name) is the file's own")
        try set(name, bytes)
    }

    private func set(_ name: String, _ bytes: [UInt8]) throws(StoreError) {
        try storing { () throws(FileError) in try update { $0[name] = bytes } }
    }

    /// Changes several entries at once; durable when this returns. Writes nothing when nothing changes. Blocks.
    func update(_ change: (inout [String: [UInt8]]) -> Void) throws(FileError) {
        let error = entries.withLock { entries -> FileError? in
            var changed = entries
            change(&changed)
            guard changed != entries else { return nil }
            do throws(FileError) {
                try Self.write(changed, path, in: directory, fileSystem)
            } catch {
                return error
            }
            entries = changed
            return nil
        }
        if let error { throw error }
    }

    /// Reads an entry of a directory's identity file without opening it; nil if there is none. Unless the caller holds
    /// the lock, another process may be using the directory.
    package static func readEntry(
        _ name: String, directory: String, fileSystem: any FileSystem = SystemFileSystem()
    ) -> [UInt8]? {
        guard let entries = try? read("\(directory)/\(Self.name)", in: directory, fileSystem) else { return nil }
        return entries[name]
    }
}

// MARK: - The file

extension IdentityFile {
    private static func read(
        _ path: String, in directory: String, _ fileSystem: any FileSystem
    ) throws(StoreError) -> [String: [UInt8]]? {
        let names = try storing { () throws(FileError) in try fileSystem.list(directory) }
        guard names.contains(name) else {
            let expected = ["lock", temporaryName, "lost+found"]
            if let stranger = names.filter({ !expected.contains($0) }).min() {
                throw .foreign(
                    file: directory, detail: "it holds \(stranger) but no file \(name), so it is not a node's data")
            }
            return nil
        }
        let bytes = try storing { () throws(FileError) -> [UInt8] in
            let file = try fileSystem.open(path, .read)
            let size = Int(min(try file.size(), 64 << 20))
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(size, 1), alignment: 8)
            defer { buffer.deallocate() }
            let count = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<size]), at: 0)
            return Array(buffer[..<count])
        }
        guard bytes.count >= headerSize, Array(bytes[..<8]) == magic else {
            throw .damaged(file: path, offset: 0, detail: "it does not begin as an identity file")
        }
        let found = number(bytes, 8)
        guard found <= format else {
            throw .newerFormat(file: path, found: found, supported: format)
        }
        let payload = Array(bytes[headerSize...])
        guard found == format, number(bytes, 12) == UInt32(payload.count), number(bytes, 16) == checksum(payload) else {
            throw .damaged(file: path, offset: 12, detail: "its checksum does not match")
        }
        guard let entries = parse(payload) else {
            throw .damaged(file: path, offset: UInt64(headerSize), detail: "its entries are unreadable")
        }
        return entries
    }

    private static func parse(_ payload: [UInt8]) -> [String: [UInt8]]? {
        var entries: [String: [UInt8]] = [:]
        var rest = payload[...]
        while !rest.isEmpty {
            guard let name = take(&rest), let value = take(&rest) else { return nil }
            entries[String(decoding: name, as: UTF8.self)] = value
        }
        return entries
    }

    private static func take(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        guard rest.count >= 4 else { return nil }
        let count = Int(number(Array(rest.prefix(4)), 0))
        guard count <= rest.count - 4 else { return nil }
        let taken = Array(rest.dropFirst(4).prefix(count))
        rest = rest.dropFirst(4 + count)
        return taken
    }

    private static func write(
        _ entries: [String: [UInt8]], _ path: String, in directory: String, _ fileSystem: any FileSystem
    ) throws(FileError) {
        var payload: [UInt8] = []
        for name in entries.keys.sorted() {
            append(Array(name.utf8), to: &payload)
            append(entries[name] ?? [], to: &payload)
        }
        var bytes = magic
        for value in [format, UInt32(payload.count), checksum(payload)] { append(value, to: &bytes) }
        bytes += payload

        let temporary = "\(directory)/\(temporaryName)"
        if try fileSystem.list(directory).contains(temporaryName) { try fileSystem.unlink(temporary) }
        let file = try fileSystem.open(temporary, .create)
        try file.write(bytes, at: 0)
        try file.sync()
        try fileSystem.rename(temporary, to: path)
        try fileSystem.syncDirectory(directory)
    }

    private static func append(_ text: [UInt8], to bytes: inout [UInt8]) {
        append(UInt32(truncatingIfNeeded: text.count), to: &bytes)
        bytes += text
    }

    private static func append(_ value: UInt32, to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(shift))) }
    }

    private static func number(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { kv_crc32c(0, $0.baseAddress, $0.count) }
    }
}
