import KVCore
import KVStorage

/// The product's log stores on a simulated disk, in one data directory. A crash may happen in the middle of a commit or
/// of a start.
package final class LogDriver: StoreDriver {
    private static let directory = "data"

    private enum Job {
        case commit(CommitJob)
        case sync(SyncJob)
    }

    /// The log of one shard.
    private struct Log {
        var store: LogStore
        var underWay: Job?
    }

    private let disk: SimulatedDisk
    /// The number of shards of a new data directory.
    private let shards: Int
    private let options: StoreOptions
    /// By shard; empty while no process runs.
    private var logs: [Log] = []
    private var identity: IdentityFile?
    private var commits: UInt64 = 0
    private var random: SeededRandom

    /// - Parameter sync: If nil, a random mode in which a crash loses nothing that was durable.
    package init(random: SeededRandom, loadChance: Double, shards: Int = 1, sync: SyncMode? = nil) {
        self.random = random
        self.shards = shards
        disk = SimulatedDisk(seed: self.random.next())
        disk.blockedReads = Int(loadChance * 1000)
        var options = StoreOptions(directory: Self.directory(of: 0), store: UUID128(high: 1, low: 2))
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

    private static func directory(of shard: Int) -> String { "\(directory)/shard-\(shard)" }

    private func options(of shard: Int) -> StoreOptions {
        var options = options
        options.directory = Self.directory(of: shard)
        options.shard = UInt16(shard)
        return options
    }

    package func start(_ slots: SlotMap = SlotMap(founding: 1)) throws -> [LogStore] {
        if random.chance(0.1) { dieStarting(slots) }
        let (stores, identity) = try open(slots)
        logs = stores.map { Log(store: $0) }
        self.identity = identity
        return stores
    }

    /// Opens the identity file and the stores as a node does, and notes in the file how much of them is on disk.
    private func open(_ slots: SlotMap) throws -> ([LogStore], IdentityFile) {
        let identity = try IdentityFile(
            directory: Self.directory, fileSystem: disk, node: "n1", cluster: nil, newStore: options.store,
            newShards: shards,
            nonce: 1
        )
        let stores = try (0..<identity.shards).map { shard in
            try LogStore.open(options(of: shard), slots: slots, fileSystem: disk, identity: identity)
        }
        try identity.note(stores)
        return (stores, identity)
    }

    private func dieStarting(_ slots: SlotMap) {
        stopSoon()
        // This fails where the disk stops. It succeeds if it needs fewer operations than that.
        _ = try? open(slots)
        if options.sync == .always { disk.losePower() } else { disk.killProcess() }
    }

    private func stopSoon() { disk.stopAt = disk.operations + 1 + random.below(12) }

    package func beginCommit(shard: Int = 0) -> Bool {
        guard logs.indices.contains(shard), logs[shard].underWay == nil else { return false }
        let store = logs[shard].store
        logs[shard].underWay =
            random.chance(0.5) ? nextCommit(store) ?? nextSync(store) : nextSync(store) ?? nextCommit(store)
        return logs[shard].underWay != nil
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

    package func finishCommit(shard: Int = 0) throws {
        guard logs.indices.contains(shard), let job = logs[shard].underWay else { return }
        logs[shard].underWay = nil
        let store = logs[shard].store
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

    package func read(_ ticket: ReadTicket, shard: Int = 0) throws -> LoadedValue {
        guard logs.indices.contains(shard), let job = logs[shard].store.takeRead(ticket) else { return .gone }
        return try logs[shard].store.completed(job.run()).value
    }

    /// Flips a bit in a sealed segment that has a sidecar. Without a sidecar, a start would read the segment and fail.
    package func rot() -> Bool {
        let sealed = (0..<shards).flatMap { shard in
            let directory = Self.directory(of: shard)
            let names = disk.names(directory)
            return names.filter { $0.hasSuffix(".log") && names.contains($0.dropLast(4) + ".index") }
                .map { directory + "/" + $0 }
        }
        guard let path = sealed.isEmpty ? nil : random.pick(sealed) else { return false }
        disk.flipBit(path, byte: random.below(disk.contents(path)?.count ?? 0), bit: random.below(8))
        return true
    }

    package func brokenInvariant(shard: Int) -> String? {
        logs.indices.contains(shard) ? logs[shard].store.brokenInvariant : nil
    }

    package func damagedRecords(shard: Int) -> [DamagedRecord] {
        logs.indices.contains(shard) ? logs[shard].store.damagedRecords() : []
    }

    package func crash(outage: Bool) {
        var commits: [CommitJob] = []
        for case .commit(let job)? in logs.map(\.underWay) { commits.append(job) }
        if !commits.isEmpty, random.chance(0.7) {
            stopSoon()
            // The disk stops in the middle of one of them; which of them are done by then is left to chance.
            let first = commits.count > 1 ? random.below(commits.count) : 0
            for job in commits[first...] + commits[..<first] { _ = job.run() }
        }
        logs = []
        identity = nil
        if !outage, options.sync != .always || random.chance(0.3) { disk.killProcess() } else { disk.losePower() }
    }
}
