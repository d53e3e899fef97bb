import KVConfig
import KVCore
import KVStorage
import KVWire
import Synchronization

/// A node's data on disk: its identity, its topology, what it knows of its peers' stores, and its own stores.
final class DataDirectory: Sendable {
    /// The number of shards of a new data directory.
    ///
    /// - Parameters:
    ///   - configured: The value of `storage.shards`: 0 for one shard for each processor.
    ///   - processors: The number of processors that this process may use.
    static func newShards(configured: Int, processors: Int) -> Int {
        configured != 0 ? configured : min(max(processors, 1), ClusterFile.Storage.maximumDefaultShards)
    }

    enum Entry {
        static let topology = "topology"
        /// "yes" once there is a log of the topology's changes.
        static let log = "topology.log"
        static let agreement = "agreement"
        /// The value of `storage.sync` when a first member's directory was made, by a version that compares it.
        static let sync = "agreement.sync"
        /// "yes" while the other first members have not admitted this one.
        static let founding = "founding"
        /// The run of the kernel in which a process began that does not sync every write. Empty once a process has
        /// stopped in good order, with everything that it wrote on disk.
        static let unsynced = "unsynced"
        /// "yes" while copies may lack records since power was lost.
        static let incomplete = "incomplete"
    }

    let path: String
    let nodeID: String
    /// The topology that was found, with which the node starts. Nil while it waits to be admitted to a cluster.
    let topology: Topology?
    var store: UUID128 { file.store }
    var boot: UInt64 { file.boot }
    var starts: [ProcessStart] { file.starts }
    /// The last batch that was on disk when this process opened each store, by shard.
    let progress: [UInt64]
    /// The stores, one per shard.
    var stores: [LogStore] { owned.stores }

    private let file: IdentityFile
    private let storedTopology: StoredTopology
    private let owned: Stores
    /// The starts and the progress that were seen of the other members' stores.
    let peers: KnownPeers
    /// True when power was lost with acknowledged but unsynced writes, and not every copy has been repaired since.
    let mayLackRecords: Bool
    /// The shards whose copies all hold what had been acknowledged.
    private let complete = Mutex<Set<Int>>([])

    /// Sendable because each store goes to the one shard that owns it.
    private struct Stores: @unchecked Sendable {
        let stores: [LogStore]
    }

    /// Opens the directory, or creates it, and recovers its contents.
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
        // Lock first: while another process has the directory, what is read may be replaced.
        let lock = try IdentityFile.lock(path)
        let found = try StoredTopology.read(in: path)
        if let found { try ConfigurationCheck(configuration, path).check(found, madeWith: Self.agreement(of: path)) }
        let file = try IdentityFile(
            directory: path, lock: lock, node: configuration.node.id,
            cluster: found == nil ? configuration.clusterID : nil,
            newStore: .random(),
            newShards: Self.newShards(
                configured: configuration.storage.shards, processors: ProcessorCount.usable),
            nonce: .random(in: .min ... .max))
        self.path = path
        self.file = file
        mayLackRecords = try Self.detectPowerLoss(file, kernel)
        nodeID = configuration.node.id
        topology = try found ?? Self.begin(configuration, file)
        storedTopology = try StoredTopology(file, directory: path, topology: topology)
        let slots = topology?.slots
        owned = Stores(
            stores: try (0..<file.shards).map { shard in
                try LogStore.open(
                    StoreOptions(shard: shard, of: file, in: path, configuration.storage), slots: slots,
                    identity: file)
            })
        try Self.check(file, isOf: owned.stores, topology: found)
        try file.note(owned.stores)
        progress = owned.stores.map(\.syncedBatch)
        // Everything that an earlier process wrote is on disk now. What this one writes may not be.
        try file.setEntry(Entry.unsynced, Array((configuration.storage.sync == .always ? "" : kernel.id).utf8))
        peers = KnownPeers(file, nodeID: configuration.node.id, members: topology?.members ?? [])
        if let topology { _ = try member(in: topology, configuration) }
    }

    /// Begins a new directory: every first member computes the same topology, and a pending node has none.
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

    /// True when peers may be told `storage.sync`. Earlier versions refuse first members that send settings they do not
    /// know, so it is sent when this version began the cluster, or when the topology has changed since.
    func tellsSync(in topology: Topology) -> Bool { topology.epoch > 1 || file.entry(Entry.sync) != nil }

    /// Finds out whether copies may lack records that they have acknowledged. The result is durable before anything
    /// else is written, so that a start that fails does not forget it.
    private static func detectPowerLoss(_ file: IdentityFile, _ kernel: KernelRun) throws(StoreError) -> Bool {
        let mayLack = mayLackRecords(kernel) { file.entry($0) }
        if mayLack { try file.setEntry(Entry.incomplete, Array("yes".utf8)) }
        return mayLack
    }

    /// True when the next start would find that copies may lack records. Unless the directory is locked, another
    /// process may be using it.
    static func mayLackRecords(_ path: String, _ kernel: KernelRun) -> Bool {
        mayLackRecords(kernel) { IdentityFile.readEntry($0, directory: path) }
    }

    private static func mayLackRecords(_ kernel: KernelRun, _ entry: (String) -> [UInt8]?) -> Bool {
        func text(_ name: String) -> String { String(decoding: entry(name) ?? [], as: UTF8.self) }
        let before = text(Entry.unsynced)
        return text(Entry.incomplete) == "yes" || !before.isEmpty && kernel.mayHaveLostPower(since: before)
    }

    /// Notes that no copy of a shard lacks anything that had been acknowledged. Blocks.
    /// - Returns: true when this was the node's last shard; that is durable then.
    func noteComplete(shard: Int) throws(StoreError) -> Bool {
        let count = complete.withLock { complete in
            complete.insert(shard)
            return complete.count
        }
        guard mayLackRecords, count == stores.count else { return false }
        try file.setEntry(Entry.incomplete, Array("no".utf8))
        return true
    }

    /// Declares all copies complete: an operator has decided to go on with what is left. Blocks.
    static func declareComplete(_ file: IdentityFile) throws(StoreError) {
        for entry in [Entry.unsynced, Entry.incomplete] where file.entry(entry) != nil { try file.setEntry(entry, []) }
    }

    /// The node's member in a topology.
    /// - Throws: `NodeError` when it is not a member, or no longer, or is not where others look for it.
    func member(in topology: Topology, _ configuration: Configuration) throws(NodeError) -> Member {
        guard let member = topology.member(ofStore: store, named: nodeID) else {
            throw NodeError.removed(nodeID, topology, directory: path)
        }
        try ConfigurationCheck(configuration, path).check(member, in: topology)
        return member
    }

    /// True while the directory is where it was opened; false once it was deleted, moved or replaced. Blocks.
    var isInPlace: Bool { file.isInPlace }

    /// Writes the topology to disk; the next start uses it. Blocks.
    /// - Parameter changes: what makes it of the one that was written last; nil where that is not known.
    func persist(_ topology: Topology, changes: [TopologyChange]? = nil) throws(StoreError) {
        try file.setCluster(topology.clusterID)
        try storedTopology.write(topology, changes: changes)
    }

    /// True for a first member while the others are not known to have its store. (A store that an earlier version made
    /// counts as known.)
    var isFounding: Bool { file.entry(Entry.founding) == Array("yes".utf8) }

    /// Notes that the others know this node's store; durable when this returns. Blocks.
    func endFounding() throws(StoreError) { try file.setEntry(Entry.founding, Array("no".utf8)) }

    private static func agreement(of path: String) -> String? {
        IdentityFile.readEntry(Entry.agreement, directory: path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Notes what the stores have on disk, for the next start to check. All stores have stopped. Blocks.
    func noteStores() throws(StoreError) {
        try file.note(owned.stores)
        let isSynced = owned.stores.allSatisfy { $0.failure == nil && $0.synced == $0.appended }
        if isSynced { try file.setEntry(Entry.unsynced, []) }
    }

    /// Checks that the identity file is not behind the stores: a topology is on disk before a store begins a partition
    /// for it.
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
    /// Finds a member by its store. A first member whose store is not in the topology yet is found by its id.
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
