import KVCore
import KVSimulator
import KVStorage
import XCTest

/// Random work on a store and on a model of it, with crashes at chosen operations of the disk. After every crash the
/// store must hold what the model held after some append: not before the last one that was durable, not later than
/// the last there was. That is all of it: nothing durable is missing, nothing purged or wiped is back, promises have
/// not sunk, records are of the membership that the store names, and no floor is ahead of a tombstone.
final class StoreRun {
    let fixture: StoreFixture
    private let partitionLimit: Int
    /// The slots of the topology on disk, which may be ahead of the store's.
    private var topology = SlotMap(founding: 1)
    private var random: SplitMix
    /// The model after each append since the store was opened.
    private var history = [StoreModel()]
    /// Appends that are synced in every mode: promises, wipes and floors.
    private var forcedAppends: [Int] = []
    private var lastMembership: Epoch = 0
    private let isRestless: Bool
    private(set) var splits = 0
    /// The starts that found splits to carry out.
    private(set) var lateStarts = 0
    private(set) var crashes = 0
    private(set) var wipes = 0
    private(set) var purges = 0

    /// - Parameters:
    ///   - isRestless: whether partitions come and go and are purged much more often.
    ///   - partitionLimit: the number of partitions up to which two are split; 0 for three that are not.
    init(seed: UInt64, sync: SyncMode = .always, isRestless: Bool = false, partitionLimit: Int = 0) throws {
        self.isRestless = isRestless
        self.partitionLimit = partitionLimit
        fixture = try StoreFixture(seed: seed, segment: 700, sync: sync, keepsManifest: true)
        fixture.options.preallocation = 512
        random = SplitMix(seed: seed &* 7919)
        fixture.disk.blockedReads = 300
        if partitionLimit > 0 {
            topology = SlotMap(founding: 2)
            fixture.slots = topology
            history[0].slots = topology
        }
    }

    private var partitions: [PartitionID] {
        partitionLimit == 0
            ? [PartitionID(0), PartitionID(1), PartitionID(5)] : topology.partitions + [topology.metadataPartition]
    }

    /// Works for `steps` steps; the disk stops at its operation `stop`, and after each crash again where `again` is
    /// set.
    func run(steps: Int, stopAt stop: Int? = nil, again: Bool = false) throws {
        fixture.disk.stopAt = stop
        try openThroughCrashes(again: again)
        for _ in 0..<steps {
            do {
                try step()
            } catch let error as StoreError {
                guard fixture.disk.isStopped else { throw error }
                try crash(again: again)
            }
        }
    }

    /// Lets everything come to rest, starts again, and compares.
    func finish() throws {
        fixture.disk.stopAt = nil
        try fixture.settle()
        try compare()
        fixture.disk.killProcess()
        try fixture.open()
        history[history.count - 1] = model.split(to: topology.count)
        try compare()
    }

    // MARK: Steps

    /// The time of day: milliseconds since 1970.
    private var wall: UInt64 = 1
    private var model: StoreModel { history[history.count - 1] }

    private func below(_ bound: UInt64) -> UInt64 { random.next() % bound }

    private func step() throws {
        let partitions = workable
        let partition = partitions[Int(below(UInt64(partitions.count)))]
        if partitionLimit > 0, below(5) == 0 { splitOrPrepare() }
        // A start knows nothing of what is prepared.
        if partitionLimit > 0, below(12) == 0 { try compare() }
        if isRestless, below(6) == 0 { below(3) == 0 ? wipe(partition) : purge(partition) }
        switch below(100) {
        case 0..<45: put(partition, isTombstone: below(3) == 0)
        case 45..<49:
            let round = below(1000)
            if ballot(round) > fixture.store.promise(partition) {
                fixture.store.setPromise(partition, ballot(round))
                record(forced: true) { $0.promise(partition, ballot(round)) }
            }
        case 49..<52: purge(partition)
        case 52..<54: wipe(partition)
        case 54..<75: try commit()
        case 75..<97: try maintain()
        case 97..<99:
            let stop = fixture.disk.stopAt
            fixture.disk.killProcess()
            fixture.disk.stopAt = stop
            try reopen(afterPowerLoss: false, again: false)
        default: try fixture.settle()
        }
    }

    /// The partitions that have been split off already, and the metadata partition.
    private var workable: [PartitionID] {
        partitionLimit == 0 ? partitions : fixture.store.slots.partitions + [topology.metadataPartition]
    }

    private func splitOrPrepare() {
        if topology.count < partitionLimit, below(3) == 0, let after = topology.afterNext {
            topology = after
            fixture.slots = after
        }
        var work = Int(below(6))
        _ = fixture.store.prepareSplits(to: topology.count + Int(below(4)), work: &work)
        guard topology.count > fixture.store.slots.count, below(3) == 0 else { return }
        splits += 1
        let before = fixture.store.appended
        fixture.store.split()
        if fixture.store.appended > before {
            record(forced: true) { $0.split() }
        } else {
            history[history.count - 1].split()
        }
    }

    private func put(_ partition: PartitionID, isTombstone: Bool) {
        let key = Key("key-\(below(partitionLimit == 0 ? 9 : 20))")
        var partition = partition
        if partitionLimit > 0 {
            if partition != topology.metadataPartition { partition = fixture.store.slots.partition(of: key.slot) }
            if fixture.store.membership(partition) == 0 { wipe(partition, isMember: true) }
        }
        let value = isTombstone ? nil : Array(repeating: UInt8(1 + below(250)), count: Int(below(150)))
        let expiry = below(4) > 0 ? Expiry.never : Expiry(milliseconds: wall + below(2000))
        let record = Record(version: fixture.nextVersion(), expiry: expiry, value: value)
        fixture.store.put(partition, key, record)
        self.record { $0.put(partition, key, record) }
    }

    /// Up to some version that has been given out: mostly a middling one.
    private func purge(_ partition: PartitionID) {
        let newest = model.records.filter { $0.key.partition == partition }.map(\.value.version).max()
        guard let newest, newest > fixture.store.purgeFloor(partition) else { return }
        purges += 1
        fixture.store.setPurgeFloor(partition, newest)
        record(forced: true) { $0.purge(partition, newest) }
    }

    /// For a membership that begins, or for none any more.
    private func wipe(_ partition: PartitionID, isMember: Bool = false) {
        wipes += 1
        lastMembership += 1
        let membership = !isMember && below(3) == 0 ? 0 : lastMembership
        fixture.store.wipe(partition, membership: membership)
        record(forced: true) { $0.wipe(partition, membership: membership) }
    }

    private func commit() throws {
        guard let job = fixture.store.takeCommit() else { return }
        if below(3) == 0 { put(partitions[0], isTombstone: false) }
        if let error = fixture.store.completed(job.run()) { throw error }
        if below(2) == 0 { try sync() }
    }

    private func maintain() throws {
        guard let job = fixture.store.takeMaintenance() else { return }
        let result = job.run()
        if below(3) == 0 { put(partitions[1], isTombstone: false) }
        if let error = fixture.store.completed(result) { throw error }
    }

    /// Merging appends too, and changes nothing.
    private func record(forced isForced: Bool = false, _ change: (inout StoreModel) -> Void) {
        var next = model
        while history.count < Int(fixture.store.appended) { history.append(next) }
        change(&next)
        history.append(next)
        if isForced { forcedAppends.append(history.count - 1) }
    }

    private func sync() throws {
        let store: LogStore = fixture.store
        let isDue = forcedAppends.contains { $0 > Int(store.synced) && $0 <= Int(store.durable) }
        guard let job = store.takeSync(now: Instant(nanoseconds: 0)) else {
            if isDue { throw Mismatch(message: "a promise, wipe or floor is written and no sync is due") }
            return
        }
        if let error = store.completed(job.run()) { throw error }
    }

    // MARK: Crashes

    private func crash(again: Bool) throws {
        let isPowerLoss = below(4) > 0
        if isPowerLoss { fixture.disk.losePower() } else { fixture.disk.killProcess() }
        crashes += 1
        try reopen(afterPowerLoss: isPowerLoss, again: again)
        if again { fixture.disk.stopAt = fixture.disk.operations + 1 + Int(below(40)) }
    }

    private func openThroughCrashes(again: Bool) throws {
        while true {
            do {
                try fixture.open()
                return
            } catch let error as StoreError {
                guard fixture.disk.isStopped else { throw error }
                crashes += 1
                // Whatever the process before had written may have been lost only now.
                if below(2) == 0 { fixture.disk.losePower() } else { fixture.disk.killProcess() }
                if !again { continue }
                if below(2) == 0 { fixture.disk.stopAt = fixture.disk.operations + 1 + Int(below(4)) }
            }
        }
    }

    private func reopen(afterPowerLoss: Bool, again: Bool) throws {
        let mayForget = fixture.options.sync != .always && (afterPowerLoss || again || fixture.disk.stopAt != nil)
        let lowest = Int(mayForget ? fixture.store.synced : fixture.store.durable)
        if again { fixture.disk.stopAt = fixture.disk.operations + 1 + Int(below(6)) }
        fixture.store = nil
        try openThroughCrashes(again: again)
        let found = try StoreModel.read(fixture, partitions)
        let candidates = history[min(lowest, history.count - 1)...].map { $0.split(to: topology.count) }
        if fixture.store.appended > 0 { lateStarts += 1 }
        guard candidates.contains(found) else {
            let known = history.firstIndex(of: found).map { "what it held after append \($0)" } ?? "a mixture"
            throw Mismatch(
                message: "the store holds \(known), not what it held after \(lowest)...\(history.count - 1)")
        }
        history = [found]
        forcedAppends = []
        try compare()
    }

    private func compare() throws {
        let found = try StoreModel.read(fixture, partitions)
        guard found == model else { throw Mismatch(message: "the store and the model differ") }
        if let broken = fixture.store.brokenInvariant { throw Mismatch(message: broken) }
        for partition in partitions {
            guard fixture.store.tree(partition).leaves == fixture.treeFromScratch(partition.raw).leaves else {
                throw Mismatch(message: "the hash tree of \(partition) is wrong")
            }
            let records = model.records.filter { $0.key.partition == partition }
            var tree = HashTree()
            for (place, record) in records { tree.toggle(KeyHash(place.key), record.version, 0) }
            guard tree.digests == fixture.store.tree(partition).digests else {
                throw Mismatch(message: "the hash tree of \(partition) is not that of the model's records")
            }
            let usage = fixture.store.usage(partition)
            let tombstones = records.values.count { $0.value == nil }
            guard usage.tombstones == tombstones, usage.keys == records.count - tombstones,
                usage.bytes == records.reduce(0, { $0 + $1.key.key.bytes.count + ($1.value.value?.count ?? 0) })
            else { throw Mismatch(message: "the usage of \(partition) is wrong: \(usage)") }
            try compareExpiries(partition, records)
        }
    }

    private func compareExpiries(_ partition: PartitionID, _ records: [StoreModel.Place: Record]) throws {
        let ends = records.filter { $0.value.value != nil && $0.value.expiry != .never }
        let earliest = ends.values.map(\.expiry.milliseconds).min()
        guard let next = fixture.store.nextExpiry(partition) else {
            guard earliest == nil else { throw Mismatch(message: "no record of \(partition) is said to expire") }
            return
        }
        guard let earliest, next.milliseconds <= earliest + Self.lateness else {
            throw Mismatch(message: "the first record of \(partition) is said to expire at \(next)")
        }
        wall += below(100)
        var found: [Key: RecordHead] = [:]
        _ = fixture.store.forEachExpired(partition, at: wall, limit: 100) { found[$0] = $1 }
        let expected = ends.filter { $0.value.expiry.milliseconds + Self.lateness <= wall }
        let isRight = found.allSatisfy { key, head in
            let record = ends[StoreModel.Place(partition: partition, key: key)]
            return record?.head == head && head.expiry.hasPassed(at: wall)
        }
        guard isRight, expected.allSatisfy({ found[$0.key.key] != nil }) else {
            throw Mismatch(message: "at \(wall), \(found.count) records of \(partition) are said to have expired")
        }
    }

    /// The longest time, in milliseconds, between a record's expiry and its being found.
    private static let lateness: UInt64 = 16

    struct Mismatch: Error, CustomStringConvertible {
        var message: String
        var description: String { message }
    }
}
