import KVCore

/// The records of one shard: an append-only log on disk with an index of it in memory, after Bitcask (Sheehy and
/// Smith).
///
/// The store itself never blocks. It hands out disk operations as jobs. The caller runs them on a storage thread (the
/// simulator: at some virtual time) and brings the results back with `completed`:
///
///     put, setPromise, ...  gather in a batch       takeCommit -> CommitJob.run -> completed     `durable` advances
///     read -> .onDisk(ticket)                       takeRead -> ReadJob.run -> completed         the record
///     now and then                                  takeSync, takeMaintenance -> run -> completed
///
/// At most one commit, one sync and one step of maintenance are under way at a time, and any number of reads. Ask for
/// the next one after each completion and at the end of a tick. Once `failure` is set no more jobs are handed out: the
/// process must end, since what the disk holds is unknown.
package final class LogStore: RecordStore {
    package let options: StoreOptions
    let fileSystem: any FileSystem
    /// Keeps the store's manifest; nil when nobody does.
    let identity: IdentityFile?
    let catalog: Catalog
    @exclusivity(unchecked) var writer: LogWriter

    @exclusivity(unchecked) package internal(set) var appended: LogPosition = 0
    package internal(set) var durable: LogPosition = 0
    package var synced: LogPosition { syncedPosition }
    /// Why the store has stopped; never cleared.
    @exclusivity(unchecked) package internal(set) var failure: StoreError?

    /// The position up to which appends are synced. `syncedBatch` is the number of the batch that ends there.
    var syncedPosition: LogPosition = 0
    /// The newest written append that must be synced in every mode.
    var syncWanted: LogPosition = 0
    package internal(set) var syncedBatch: UInt64
    var syncUnderWay = false
    var lastSync: Instant?
    /// The end of the newest written batch: records before it are read from files.
    @exclusivity(unchecked) var written: Location
    /// The length of the newest segment's file.
    var preallocated: UInt64

    var space = VolumeSpace(free: .max, total: .max)
    var writtenSinceMeasure: UInt64 = 0
    var counts = StoreStatistics()

    var tickets: [ReadTicket: PendingRead] = [:]
    var lastTicket: UInt64 = 0
    @exclusivity(unchecked) var scratch: UnsafeMutableRawBufferPointer

    /// Records whose bytes are not what was written, by their location.
    var spoiled: [Location: DamagedRecord] = [:]
    /// The error of the damage that was found last.
    package internal(set) var lastDamage: StoreError?
    var scrub = Scrub()

    var maintenance = Maintenance.idle
    var maintenanceUnderWay = false
    /// A sidecar that is half written: merging came first.
    var suspendedSidecar: SidecarWriter?
    /// The value of `appended` at which to look for a segment to merge.
    var nextMaintenanceCheck: LogPosition = 0
    /// The log's length beside what is needed of it, and how far merging is behind.
    @exclusivity(unchecked) var room = LogRoom()
    /// False where the node had no topology yet when the store was opened.
    var knowsSlots: Bool
    /// True when the newest segment may be mostly garbage that was made without appends: by a wipe, a purge, or a
    /// previous process.
    var maySealNewest = true

    init(
        _ options: StoreOptions, _ fileSystem: any FileSystem, _ identity: IdentityFile?, _ catalog: Catalog,
        _ writer: LogWriter, written: Location, preallocated: UInt64, space: VolumeSpace, knowsSlots: Bool
    ) {
        self.options = options
        self.fileSystem = fileSystem
        self.identity = identity
        self.catalog = catalog
        self.writer = writer
        self.written = written
        self.preallocated = preallocated
        self.space = space
        self.knowsSlots = knowsSlots
        syncedBatch = writer.nextBatch - 1
        scratch = .allocate(byteCount: 4096, alignment: 8)
        survey()
    }

    deinit { scratch.deallocate() }

    package var acceptsWrites: Bool { failure == nil && free >= options.reserve(of: space) }

    /// True while there is room for copies. Half of the reserve is for them: disks of one size that fill together then
    /// make their leaders refuse writes, rather than leave them without a majority. The other half is for tombstones,
    /// promises and merging.
    ///
    /// False also while `StoreOptions.maximumPending` bytes wait in memory because the disk does not keep up.
    package var acceptsCopies: Bool {
        failure == nil && free >= options.reserve(of: space) / 2 && writer.pendingBytes < options.maximumPending
    }

    /// The number of records that are sorted by their expiry in the time that it takes to replace one by a tombstone.
    private static let filedPerVisit = 8

    private var free: UInt64 { space.free > writtenSinceMeasure ? space.free - writtenSinceMeasure : 0 }

    // MARK: Appends

    /// Invariant 3: versions only grow. Ignores a record whose version is not above the one held. A tombstone's content
    /// type is not kept.
    package func put(_ id: PartitionID, _ key: Key, _ record: Record) { put(id, key, record, KeyHash(key)) }

    package func put(_ id: PartitionID, _ key: Key, _ record: Record, _ hash: KeyHash) {
        // (Here and below: once the store has failed it takes nothing more, and its process ends.)
        guard failure == nil, fits(key, record) else { return }
        key.bytes.withUnsafeBytes { key in
            var partition = catalog.partition(id)
            if partition.children != nil { partition = catalog.settle(key, hash, in: partition) }
            let found = find(key, hash, partition)
            if let found, partition.index.pointer(found).pointee.version >= record.version { return }
            let (location, size) = append(record, id, key, to: openBatch())
            // Invariant 12: a tombstone that is late for its purge is purged at once.
            if record.value == nil, record.version <= partition.state.floor {
                if let found { catalog.drop(partition, found) }
                catalog.suppress(partition, location.segment, size.length)
                return
            }
            let entry = catalog.hold(
                partition, found, key, hash, record.version, record.expiry, location, size,
                isTombstone: record.value == nil)
            // What is not in the cache does not get there by being written.
            guard entry.pointee.cacheSlot != 0 else { return }
            if let found { recache(record, partition, found) }
        }
    }

    package func requireSync() { writer.open?.mustSync = true }

    package func promise(_ id: PartitionID) -> Ballot { catalog.existing(id)?.state.promise ?? .zero }

    /// Invariant 1: promises hold. A promise is never lowered, and is synced in every mode.
    package func setPromise(_ id: PartitionID, _ ballot: Ballot) {
        let partition = catalog.partition(id)
        guard failure == nil, ballot > partition.state.promise else { return }
        let buffer = openBatch()
        partition.state.promise = ballot
        partition.shareState()
        append(partition.state, id, to: buffer)
    }

    /// The version up to which tombstones of the partition are gone; `.zero` before the first purge.
    package func purgeFloor(_ id: PartitionID) -> Version { catalog.existing(id)?.state.floor ?? .zero }

    /// Forgets the partition's tombstones up to this version, and those that are still to come. Synced in every mode.
    /// Invariant 12: what is purged is nowhere. So between two wipes, the floor only rises.
    package func setPurgeFloor(_ id: PartitionID, _ floor: Version) {
        let partition = catalog.partition(id)
        guard failure == nil, floor > partition.state.floor else { return }
        let buffer = openBatch()
        partition.state.floor = floor
        partition.shareState()
        append(partition.state, id, to: buffer)
        partition.forEachPart { catalog.beginPurge($0) }
    }

    package func isPurging(_ id: PartitionID) -> Bool {
        var isPurging = false
        catalog.existing(id)?.forEachPart { if $0.purging != nil { isPurging = true } }
        return isPurging
    }

    /// The entry of a key. A purged tombstone is dropped instead, so that its entry is free.
    @inline(__always)
    func find(_ key: UnsafeRawBufferPointer, _ hash: KeyHash, _ partition: Partition) -> Int? {
        guard let found = partition.index.find(key, hash) else { return nil }
        guard partition.isPurged(found) else { return found }
        catalog.dropPurged(partition, found)
        return nil
    }

    package func membership(_ id: PartitionID) -> Epoch { catalog.existing(id)?.state.membership ?? 0 }

    /// Forgets the partition's records and purge floor. Synced in every mode. Invariant 13: a copy is of one
    /// membership.
    package func wipe(_ id: PartitionID, membership: Epoch) {
        let partition = catalog.partition(id)
        guard failure == nil else { return }
        let buffer = openBatch()
        partition.state.wiped = Location(
            segment: buffer.segment.number, offset: buffer.offset + UInt32(buffer.count))
        partition.state.membership = membership
        partition.state.floor = .zero
        partition.shareState()
        append(partition.state, id, to: buffer)
        partition.forEachPart { catalog.forget($0) }
        roomMade()
    }

    // MARK: What is there

    package func head(_ id: PartitionID, _ key: Key) -> RecordHead? { head(id, key, KeyHash(key)) }

    package func head(_ id: PartitionID, _ key: Key, _ hash: KeyHash) -> RecordHead? {
        key.bytes.withUnsafeBytes { key in
            guard let partition = catalog.holder(of: key, hash, in: id) else { return nil }
            return partition.find(key, hash).map { partition.index.pointer($0).pointee.head }
        }
    }

    /// Trees are compared at equal purge floors, so what is purged leaves this one first.
    package func tree(_ id: PartitionID) -> HashTree {
        guard let partition = catalog.existing(id) else { return HashTree() }
        partition.forEachPart { part in
            guard part.purging != nil else { return }
            catalog.finishPurge(part)
            roomMade()
        }
        guard partition.children != nil else { return partition.tree }
        var tree = HashTree()
        partition.forEachPart { tree = tree.joined(with: $0.tree) }
        return tree
    }

    package func usage(_ id: PartitionID) -> PartitionUsage {
        var usage = PartitionUsage()
        catalog.existing(id)?.forEachPart { part in
            usage.keys += part.usage.keys
            usage.tombstones += part.usage.tombstones
            usage.bytes += part.usage.bytes
        }
        return usage
    }

    package func nextExpiry(_ id: PartitionID) -> Expiry? {
        var first: UInt64?
        catalog.existing(id)?.forEachPart { part in
            if let next = part.calendar.next { first = min(first ?? next, next) }
        }
        // (Where some are due already, no time is named, and 1 has passed.)
        return first.map { Expiry(milliseconds: max($0, 1)) }
    }

    /// Costs what has expired since the last call, whatever the partition holds. Records are found up to 16 ms after
    /// their expiry. After a long time without a call they are sorted first, at most `filedPerVisit` times `limit`.
    package func forEachExpired(_ id: PartitionID, at wall: UInt64, limit: Int, _ body: (Key, RecordHead) -> Void)
        -> Int
    {
        var cost = 0
        catalog.existing(id)?.forEachPart { part in
            if cost < limit { cost += forEachExpired(part, at: wall, limit: limit - cost, body) }
        }
        return cost
    }

    private func forEachExpired(
        _ partition: Partition, at wall: UInt64, limit: Int, _ body: (Key, RecordHead) -> Void
    ) -> Int {
        let filed = partition.calendar.advance(to: wall, filing: limit * Self.filedPerVisit) {
            partition.index.pointer($0).pointee.expiry
        }
        let visited = partition.calendar.forEachDue(limit: limit) { entry in
            // The clock may have been set back since the entry was found to be due.
            guard partition.index.pointer(entry).pointee.head.expiry.hasPassed(at: wall) else { return }
            visit(partition, entry, body)
        }
        return visited + filed / Self.filedPerVisit
    }

    /// Looks at one byte for each key of the partition, and at the entries of the keys in the leaf.
    package func forEach(_ id: PartitionID, leaf: Int, _ body: (Key, RecordHead, _ checksum: UInt32) -> Void) {
        catalog.existing(id)?.forEachPart { part in
            part.index.forEach(leaf: leaf) { entry in
                guard !part.isPurged(entry) else { return }
                visit(part, entry) { body($0, $1, part.index.checksum(entry).pointee) }
            }
        }
    }

    package func forEach(_ id: PartitionID, _ body: (Key, RecordHead) -> Void) {
        catalog.existing(id)?.forEachPart { part in
            for entry in part.index.entries where part.index.isUsed(entry) && !part.isPurged(entry) {
                visit(part, entry, body)
            }
        }
    }

    private func visit(_ partition: Partition, _ entry: Int, _ body: (Key, RecordHead) -> Void) {
        body(Key(Array(partition.index.key(entry))), partition.index.pointer(entry).pointee.head)
    }

    package var statistics: StoreStatistics {
        var result = counts
        for segment in catalog.segments.all {
            result.segments += 1
            result.diskBytes += segment.end
            result.liveBytes += segment.live
        }
        result.pendingBytes = writer.pendingBytes
        result.cacheBytes = catalog.cache.bytes
        result.cacheHits = catalog.cache.hits
        result.cacheMisses = catalog.cache.misses
        result.freeBytes = space.free
        return result
    }

    /// Takes a measurement of the volume's free space, for a timer. Some commits measure it too, but a store that
    /// refuses writes commits little, and other processes fill the disk or make room on it.
    package func takeMeasurement() -> SpaceJob {
        SpaceJob(fileSystem: fileSystem, directory: options.directory, writtenBefore: writtenSinceMeasure)
    }

    package func completed(_ result: SpaceResult) {
        // The volume did not say: it is asked again.
        guard let measured = result.space else { return }
        let writtenMeanwhile = writtenSinceMeasure - min(result.writtenBefore, writtenSinceMeasure)
        use(measured)
        writtenSinceMeasure = writtenMeanwhile
    }

    func use(_ measured: VolumeSpace) {
        space = measured
        writtenSinceMeasure = 0
        counts.freeBytes = measured.free
        // The disk is nearly full: look for garbage right away.
        if !acceptsWrites { nextMaintenanceCheck = 0 }
    }

    @discardableResult
    func fail(_ error: StoreError) -> StoreError {
        if let failure { return failure }
        failure = error
        return error
    }
}
