import KVCore
import KVSimulator
import KVStorage
import XCTest

/// A store on a simulated disk, whose jobs run as soon as they are asked for.
final class StoreFixture {
    static let store = UUID128(high: 0x0123_4567_89ab_cdef, low: 0xfedc_ba98_7654_3210)
    static let directory = "data/shard-0"

    let disk: SimulatedDisk
    var options: StoreOptions
    /// Whether the store's manifest is kept, as a node keeps it.
    private let keepsManifest: Bool
    private(set) var identity: IdentityFile?
    /// Those of the topology that the node has on disk.
    var slots: SlotMap?
    var store: LogStore!  // swift-format-ignore: NeverUseImplicitlyUnwrappedOptionals
    private var sequence: UInt64 = 0

    init(seed: UInt64 = 1, segment: Int = 2048, sync: SyncMode = .always, keepsManifest: Bool = false) throws {
        self.keepsManifest = keepsManifest
        disk = SimulatedDisk(seed: seed)
        options = StoreOptions(directory: Self.directory, store: Self.store)
        options.segment = segment
        options.preallocation = 1024
        options.mergeStep = 512
        options.mergeRecords = 3
        options.indexStep = 64
        options.reserve = 0
        options.sync = sync
        options.cache = 4096
        try disk.createDirectory("data")
        try disk.syncDirectory("")
    }

    @discardableResult
    func open() throws -> LogStore {
        store = nil
        identity = nil
        if keepsManifest {
            identity = try IdentityFile(
                directory: "data", fileSystem: disk, node: "n1", cluster: nil, newStore: Self.store, newShards: 1,
                nonce: 1)
        }
        let opened = try LogStore.open(options, slots: slots, fileSystem: disk, identity: identity)
        try identity?.note([opened])
        store = opened
        XCTAssertNil(opened.brokenInvariant)
        return opened
    }

    func crash() throws {
        store = nil
        disk.losePower()
        try open()
    }

    /// Versions grow from one call to the next.
    func nextVersion(round: UInt64 = 1) -> Version {
        sequence += 1
        return Version(ballot: Ballot(round: round, node: NodeNumber(1)), sequence: sequence)
    }

    @discardableResult
    func put(_ key: String, _ value: String?, _ partition: UInt16 = 0) -> Version {
        let version = nextVersion()
        store.put(
            PartitionID(partition), Key(key), Record(version: version, value: value.map { Array($0.utf8) }))
        return version
    }

    func commit() throws { try store.commitAll() }

    /// What must be synced now, whatever the interval.
    func sync() throws {
        if let job = store.takeSync(now: Instant(nanoseconds: 0)), let error = store.completed(job.run()) {
            throw error
        }
    }

    func takeMaintenance() -> MaintenanceJob? { store.nextMaintenance() }

    /// Commits, writes sidecars and merges until nothing is left to do.
    func settle() throws {
        try store.settle()
        XCTAssertNil(store.brokenInvariant)
    }

    func read(_ key: String, _ partition: UInt16 = 0) throws -> Record? {
        try read(Key(key), PartitionID(partition))
    }

    func read(_ key: Key, _ partition: PartitionID) throws -> Record? {
        switch store.read(partition, key) {
        case .absent: return nil
        case .found(let record): return record
        case .onDisk(let ticket):
            let job = try XCTUnwrap(store.takeRead(ticket))
            let loaded = try store.completed(job.run())
            XCTAssertEqual(loaded.ticket, ticket)
            switch loaded.value {
            case .record(let record): return record
            case .gone: return nil
            case .damaged: throw try XCTUnwrap(store.lastDamage)
            }
        }
    }

    func text(_ key: String, _ partition: UInt16 = 0) throws -> String? {
        try read(key, partition)?.value.map { String(decoding: $0, as: UTF8.self) }
    }

    func keys(_ partition: UInt16 = 0) -> [String: Version] {
        var result: [String: Version] = [:]
        store.forEach(PartitionID(partition)) { key, head in result[key.description] = head.version }
        return result
    }

    func segmentFiles() -> [String] { disk.names(Self.directory).filter { $0.hasSuffix(".log") } }
    func segmentNumbers() -> [UInt32] { segmentFiles().compactMap { UInt32($0.dropLast(4)) } }
    func path(_ name: String) -> String { Self.directory + "/" + name }

    /// A tree made of what the store lists, to hold its own against.
    func treeFromScratch(_ partition: UInt16 = 0) -> HashTree {
        var tree = HashTree()
        for leaf in 0..<HashTree.leafCount {
            store.forEach(PartitionID(partition), leaf: leaf) { key, head, checksum in
                tree.toggle(KeyHash(key), head.version, checksum)
            }
        }
        return tree
    }
}

extension LogStore {
    func commitAll() throws {
        while let job = takeCommit() {
            if let error = completed(job.run()) { throw error }
        }
    }

    /// Commits, writes sidecars and merges until nothing is left to do.
    func settle() throws {
        for _ in 0..<10_000 {
            try commitAll()
            if let job = nextMaintenance() {
                if let error = completed(job.run()) { throw error }
            } else if appended == durable {
                return
            }
        }
        XCTFail("maintenance does not come to an end")
    }

    /// The next step of maintenance, once the step before it is copied to its end.
    func nextMaintenance() -> MaintenanceJob? {
        repeat {
            if let job = takeMaintenance() { return job }
        } while isCopying || isDropping
        return nil
    }
}

let partitionZero = PartitionID(0)
func ballot(_ round: UInt64) -> Ballot { Ballot(round: round, node: NodeNumber(1)) }
