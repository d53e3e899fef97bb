import KVCore
import KVStorage

/// The product's log store on a simulated disk. A crash may happen in the middle of a commit or of a start.
package final class LogDriver: StoreDriver {
    private static let directory = "data"

    private enum Job {
        case commit(CommitJob)
        case sync(SyncJob)
    }

    private let disk: SimulatedDisk
    private let options: StoreOptions
    private var store: LogStore?
    private var identity: IdentityFile?
    private var underWay: Job?
    private var commits: UInt64 = 0
    private var random: SeededRandom

    /// - Parameter sync: If nil, a random mode in which a crash loses nothing that was durable.
    package init(random: SeededRandom, loadChance: Double, sync: SyncMode? = nil) {
        self.random = random
        disk = SimulatedDisk(seed: self.random.next())
        disk.blockedReads = Int(loadChance * 1000)
        var options = StoreOptions(directory: Self.directory + "/shard-0", store: UUID128(high: 1, low: 2))
        // Segments are small, so that they are sealed and merged within a run.
        options.segment = self.random.pick([1 << 10, 4 << 10, 32 << 10])
        options.preallocation = 1 << 10
        options.mergeStep = 512
        options.mergeRecords = 3
        options.indexStep = 40
        options.reserve = 0
        options.scrub = options.mergeStep
        options.cache = self.random.pick([0, 64, 4096])
        // With this mode syncs lag behind writes. Then only processes are killed, because a power loss would take
        // acknowledged writes.
        if self.random.chance(0.25) { options.sync = .interval(.milliseconds(100)) }
        if let sync { options.sync = sync }
        self.options = options
    }

    package func start(_ slots: SlotMap = SlotMap(founding: 1)) throws -> LogStore {
        if random.chance(0.1) { dieStarting(slots) }
        let (store, identity) = try open(slots)
        self.store = store
        self.identity = identity
        return store
    }

    /// Opens the identity file and the store as a node does, and notes in the file how much of the store is on disk.
    private func open(_ slots: SlotMap) throws -> (LogStore, IdentityFile) {
        let identity = try IdentityFile(
            directory: Self.directory, fileSystem: disk, node: "n1", cluster: nil, newStore: options.store,
            newShards: 1,
            nonce: 1
        )
        let store = try LogStore.open(options, slots: slots, fileSystem: disk, identity: identity)
        try identity.note([store])
        return (store, identity)
    }

    private func dieStarting(_ slots: SlotMap) {
        stopSoon()
        // This fails where the disk stops. It succeeds if it needs fewer operations than that.
        _ = try? open(slots)
        if options.sync == .always { disk.losePower() } else { disk.killProcess() }
    }

    private func stopSoon() { disk.stopAt = disk.operations + 1 + random.below(12) }

    package func beginCommit() -> Bool {
        guard let store, underWay == nil else { return false }
        underWay = random.chance(0.5) ? nextCommit(store) ?? nextSync(store) : nextSync(store) ?? nextCommit(store)
        return underWay != nil
    }

    private func nextCommit(_ store: LogStore) -> Job? {
        // A commit may have to wait for merging. A step that fails is told with the commit.
        while store.wantsMaintenance {
            // An unfinished step goes on with the next commit.
            guard let step = store.takeMaintenance(), store.completed(step.run()) == nil else { break }
        }
        return store.takeCommit().map(Job.commit)
    }

    private func nextSync(_ store: LogStore) -> Job? {
        store.takeSync(now: Instant(nanoseconds: .max)).map(Job.sync)
    }

    package func finishCommit() throws {
        guard let store, let job = underWay else { return }
        underWay = nil
        let failure =
            switch job {
            case .commit(let job): store.completed(job.run())
            case .sync(let job): store.completed(job.run())
            }
        if let failure { throw failure }
        if let job = store.takeMaintenance(), let error = store.completed(job.run()) { throw error }
        // Each commit is followed by one step of the scrub.
        commits += 1
        let now = Instant(nanoseconds: commits * 1_000_000_000)
        if let job = store.takeScrub(now: now), let error = store.completed(job.run()) { throw error }
    }

    package func read(_ ticket: ReadTicket) throws -> LoadedValue {
        guard let store, let job = store.takeRead(ticket) else { return .gone }
        return try store.completed(job.run()).value
    }

    /// Flips a bit in a sealed segment that has a sidecar. Without a sidecar, a start would read the segment and fail.
    package func rot() -> Bool {
        let names = disk.names(options.directory)
        let sealed = names.filter { $0.hasSuffix(".log") && names.contains($0.dropLast(4) + ".index") }
        guard let name = sealed.isEmpty ? nil : random.pick(sealed) else { return false }
        let path = options.directory + "/" + name
        disk.flipBit(path, byte: random.below(disk.contents(path)?.count ?? 0), bit: random.below(8))
        return true
    }

    package var brokenInvariant: String? { store?.brokenInvariant }

    package func damagedRecords() -> [DamagedRecord] { store?.damagedRecords() ?? [] }

    package func crash(outage: Bool) {
        if case .commit(let job) = underWay, random.chance(0.7) {
            stopSoon()
            _ = job.run()
        }
        store = nil
        identity = nil
        underWay = nil
        if !outage, options.sync != .always || random.chance(0.3) { disk.killProcess() } else { disk.losePower() }
    }
}
