import KVConfig
import KVCore
import KVStorage
import KVWire
import NIOCore
import Synchronization

/// A node's data on disk: who it is, the topology it goes by, which stores its peers have, and its own stores.
final class DataDirectory: Sendable {
    /// Shards of a new data directory: half the processors, so that the storage threads have the others.
    private static var defaultShards: Int { min(max(System.coreCount / 2, 1), 8) }

    enum Entry {
        static let topology = "topology"
        static let agreement = "agreement"
        /// Of a first member: `storage.sync` as it was when the directory was made, by a version that compares it.
        static let sync = "agreement.sync"
        /// There while a first member has not been let in by the others.
        static let founding = "founding"
        /// Under which run of the kernel a process began that does not sync every write; empty once one has ended in
        /// good order, with all that it had written on disk.
        static let unsynced = "unsynced"
        /// There while copies may lack records since power was lost.
        static let incomplete = "incomplete"
    }

    let path: String
    let nodeID: String
    /// As it was found: what the node starts with. Nil where it waits to be admitted to a cluster.
    let topology: Topology?
    var store: UUID128 { file.store }
    var boot: UInt64 { file.boot }
    var starts: [ProcessStart] { file.starts }
    /// How far the stores had come on disk when this process opened them, by shard.
    let progress: [UInt64]
    /// One a shard.
    var stores: [LogStore] { owned.stores }

    private let file: IdentityFile
    private let owned: Stores
    /// What it has seen of the other members.
    let peers: KnownPeers
    /// Power was lost with writes that had been acknowledged and not synced, and not every copy has been repaired
    /// since.
    let mayLackRecords: Bool
    /// Shards of which every copy holds what had been acknowledged.
    private let complete = Mutex<Set<Int>>([])

    /// Sendable because each store goes to the one shard that owns it.
    private struct Stores: @unchecked Sendable {
        let stores: [LogStore]
    }

    /// Opens the directory, or makes it, and recovers what is in it.
    /// - Throws: `NodeError`
    static func open(
        _ configuration: Configuration, kernel: KernelRun = .present
    ) throws(NodeError) -> DataDirectory {
        do {
            try IdentityFile.makeParents(of: configuration.dataDirectory)
            return try DataDirectory(configuration, kernel)
        } catch let error as StoreError {
            throw NodeError(error)
        } catch let error as NodeError {
            throw error
        } catch {
            throw NodeError(.badData, "\(configuration.dataDirectory): \(error)")
        }
    }

    private init(_ configuration: Configuration, _ kernel: KernelRun) throws {
        let path = configuration.dataDirectory
        // What is read before it is locked may be replaced by the process that still has it.
        let lock = try IdentityFile.lock(path)
        let found = try Self.storedTopology(in: path)
        if let found { try ConfigurationCheck(configuration, path).check(found, madeWith: Self.agreement(of: path)) }
        let shards = configuration.storage.shards
        let file = try IdentityFile(
            directory: path, lock: lock, node: configuration.node.id,
            cluster: found == nil ? configuration.clusterID : nil,
            newStore: .random(), newShards: shards == 0 ? Self.defaultShards : shards,
            nonce: .random(in: .min ... .max))
        self.path = path
        self.file = file
        mayLackRecords = try Self.reviewPower(file, kernel)
        nodeID = configuration.node.id
        topology = try found ?? Self.begin(configuration, file)
        owned = Stores(
            stores: try (0..<file.shards).map { shard in
                try LogStore.open(
                    StoreOptions(shard: shard, of: file, in: path, configuration.storage), identity: file)
            })
        try Self.check(file, isOf: owned.stores, topology: found)
        try file.note(owned.stores)
        progress = owned.stores.map(\.syncedBatch)
        // What an earlier process had written is on disk now. What this one will write may not be.
        try file.setEntry(Entry.unsynced, Array((configuration.storage.sync == .always ? "" : kernel.id).utf8))
        peers = KnownPeers(file, nodeID: configuration.node.id, members: topology?.members ?? [])
        if let topology { _ = try member(in: topology, configuration) }
    }

    /// The first start: every first member comes to the same topology. A pending node has none.
    private static func begin(_ configuration: Configuration, _ file: IdentityFile) throws -> Topology? {
        guard configuration.role == .initial else { return nil }
        let cluster = configuration.clusterID ?? file.cluster ?? .random()
        try file.setCluster(cluster)
        let topology = Topology.initial(
            clusterID: cluster, settings: configuration.settings, members: configuration.initialMembers())
        if topology.members.count > 1 { try file.setEntry(Entry.founding, Array("yes".utf8)) }
        try file.setEntry(Entry.agreement, Array(ConfigurationCheck.text(configuration.agreement).utf8))
        try file.setEntry(Entry.sync, Array(configuration.storage.sync.rawValue.utf8))
        try file.setEntry(Entry.topology, TopologyCodec.encode(topology))
        return topology
    }

    /// Whether peers may be told of `storage.sync`. Those of versions before refuse first members that say what they do
    /// not know, so it is told where the cluster was begun by this version or has changed since.
    func tellsSync(in topology: Topology) -> Bool { topology.epoch > 1 || file.entry(Entry.sync) != nil }

    /// Whether copies may lack records that they have acknowledged. Durably noted before anything else is, so that a
    /// start that fails does not make it forgotten.
    private static func reviewPower(_ file: IdentityFile, _ kernel: KernelRun) throws(StoreError) -> Bool {
        let mayLack = mayLackRecords(kernel) { file.entry($0) }
        if mayLack { try file.setEntry(Entry.incomplete, Array("yes".utf8)) }
        return mayLack
    }

    /// Whether the next start would find so. It may be another process's directory unless that is locked.
    static func mayLackRecords(_ path: String, _ kernel: KernelRun) -> Bool {
        mayLackRecords(kernel) { IdentityFile.readEntry($0, directory: path) }
    }

    private static func mayLackRecords(_ kernel: KernelRun, _ entry: (String) -> [UInt8]?) -> Bool {
        func text(_ name: String) -> String { String(decoding: entry(name) ?? [], as: UTF8.self) }
        let before = text(Entry.unsynced)
        return text(Entry.incomplete) == "yes" || !before.isEmpty && kernel.mayHaveLostPower(since: before)
    }

    /// No copy of a shard lacks anything that had been acknowledged. Blocks.
    /// - Returns: whether that is news of the whole node, which is durable then.
    func isComplete(shard: Int) throws(StoreError) -> Bool {
        let count = complete.withLock { complete in
            complete.insert(shard)
            return complete.count
        }
        guard mayLackRecords, count == stores.count else { return false }
        try file.setEntry(Entry.incomplete, Array("no".utf8))
        return true
    }

    /// What is left is the truth by an operator's decree. Blocks.
    static func takeForComplete(_ file: IdentityFile) throws(StoreError) {
        for entry in [Entry.unsynced, Entry.incomplete] where file.entry(entry) != nil { try file.setEntry(entry, []) }
    }

    /// Who this node is in a topology.
    /// - Throws: `NodeError`, where it is nobody (any more), or is elsewhere than others look for it.
    func member(in topology: Topology, _ configuration: Configuration) throws(NodeError) -> Member {
        guard let member = topology.member(ofStore: store, named: nodeID) else {
            throw NodeError.removed(nodeID, topology, directory: path)
        }
        try ConfigurationCheck(configuration, path).check(member, in: topology)
        return member
    }

    /// Whether it is still where it was opened: false once it was deleted, moved or replaced. Blocks.
    var isInPlace: Bool { file.isInPlace }

    /// Puts a topology on disk, to be the one that the next start goes by. Blocks.
    func persist(_ topology: Topology) throws(StoreError) {
        try file.setCluster(topology.clusterID)
        try file.setEntry(Entry.topology, TopologyCodec.encode(topology))
    }

    /// Whether this is a first member's, and the others have not yet been seen to know its store. (A store of a version
    /// before counts as known.)
    var isFounding: Bool { file.entry(Entry.founding) == Array("yes".utf8) }

    /// The others know its store: durable when this returns. Blocks.
    func endFounding() throws(StoreError) { try file.setEntry(Entry.founding, Array("no".utf8)) }

    /// What the next start goes by; nil for a directory that is new, or a pending node's.
    static func storedTopology(in path: String) throws(WireError) -> Topology? {
        guard let bytes = IdentityFile.readEntry(Entry.topology, directory: path) else { return nil }
        return try TopologyCodec.decode(bytes)
    }

    private static func agreement(of path: String) -> String? {
        IdentityFile.readEntry(Entry.agreement, directory: path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Notes what the stores have on disk, for the next start to find again. All of them have stopped. Blocks.
    func noteStores() throws(StoreError) {
        try file.note(owned.stores)
        let isSynced = owned.stores.allSatisfy { $0.failure == nil && $0.synced == $0.appended }
        if isSynced { try file.setEntry(Entry.unsynced, []) }
    }

    /// A topology is on disk before a store begins a partition for it.
    private static func check(
        _ file: IdentityFile, isOf stores: [LogStore], topology: Topology?
    ) throws(StoreError) {
        let epoch = topology?.epoch ?? 0
        for store in stores where store.newestMembership > epoch {
            throw .outdated(
                file: file.path,
                detail:
                    "\(store.options.directory) is of epoch \(store.newestMembership) of the cluster, and this file "
                    + "knows epochs up to \(epoch)")
        }
    }
}

extension UUID128 {
    fileprivate static func random() -> Self { Self(high: .random(in: 1 ... .max), low: .random(in: 0 ... .max)) }
}

extension Topology {
    /// A first member whose store has not been written down goes by its name.
    func member(ofStore store: UUID128, named id: String) -> Member? {
        member(withStore: store) ?? members.first { $0.id == id && $0.store == nil }
    }
}

extension StoreOptions {
    fileprivate init(shard: Int, of file: IdentityFile, in path: String, _ storage: ClusterFile.Storage) {
        self.init(directory: "\(path)/shard-\(shard)", store: file.store, shard: UInt16(shard))
        sync =
            switch storage.sync {
            case .always: .always
            case .interval: .interval(storage.syncInterval)
            case .never: .never
            }
        cache = storage.cache / file.shards
        segment = storage.segment
        scrub = storage.scrub == 0 ? 0 : max(storage.scrub / file.shards, 1)
    }
}
