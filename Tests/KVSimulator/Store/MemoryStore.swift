import DequeModule
import KVCore

/// The simple store of the simulator: dictionaries, and a queue of the appends that are not durable yet.
package final class MemoryStore: RecordStore {
    /// The state of one partition.
    struct Contents {
        var records: [Key: Record] = [:]
        var promise = Ballot.zero
        var membership: Epoch = 0
        /// The purge floor: there are no tombstones up to this version.
        var floor = Version.zero

        mutating func apply(_ append: Append) {
            switch append {
            case .put(_, let key, let record):
                records[key] = record.value == nil && record.version <= floor ? nil : record
            case .promise(_, let ballot): promise = ballot
            case .wipe(_, let epoch):
                records = [:]
                floor = .zero
                membership = epoch
            case .purge(_, let version):
                floor = version
                records = records.filter { $0.value.value != nil || $0.value.version > version }
            case .split(let split, let after):
                records = records.filter { after.partition(of: $0.key.slot) != split.child }
            }
        }
    }

    enum Append {
        case put(PartitionID, Key, Record)
        case promise(PartitionID, Ballot)
        case wipe(PartitionID, membership: Epoch)
        case purge(PartitionID, floor: Version)
        case split(SlotMap.Split, after: SlotMap)

        var partition: PartitionID {
            switch self {
            case .put(let partition, _, _), .promise(let partition, _), .wipe(let partition, _),
                .purge(let partition, _):
                partition
            case .split(let split, _): split.parent
            }
        }
    }

    package private(set) var appended: LogPosition = 0
    package private(set) var durable: LogPosition = 0
    package var synced: LogPosition { durable }
    package var acceptsWrites: Bool { true }
    package var acceptsCopies: Bool { true }

    private(set) var contents: [PartitionID: Contents]
    private var trees: [PartitionID: HashTree] = [:]
    private(set) var unsynced: Deque<Append> = []
    private var tickets: [ReadTicket: Record] = [:]
    private var lastTicket: UInt64 = 0
    package private(set) var slots: SlotMap
    /// The number of partitions that the store is prepared for, and the records that were looked at for the next one.
    private var prepared: Int
    private var progress = 0
    private var random: SeededRandom
    private let loadChance: Double

    /// - Parameter loadChance: The probability that a read gets a ticket, like one from disk.
    init(contents: [PartitionID: Contents], slots: SlotMap, random: SeededRandom, loadChance: Double) {
        self.contents = contents
        self.slots = slots
        prepared = slots.count
        self.random = random
        self.loadChance = loadChance
        for partition in contents.keys { trees[partition] = Self.tree(of: contents[partition]) }
    }

    private static func tree(of held: Contents?) -> HashTree {
        var tree = HashTree()
        for (key, record) in held?.records ?? [:] { tree.toggle(KeyHash(key), record.version, record.checksum) }
        return tree
    }

    package func head(_ partition: PartitionID, _ key: Key) -> RecordHead? { contents[partition]?.records[key]?.head }

    package func read(_ partition: PartitionID, _ key: Key) -> StoredRead {
        guard let record = contents[partition]?.records[key] else { return .absent }
        guard random.chance(loadChance) else { return .found(record) }
        lastTicket += 1
        let ticket = ReadTicket(lastTicket, bytes: key.bytes.count + (record.value?.count ?? 0))
        tickets[ticket] = record
        return .onDisk(ticket)
    }

    package func readAtOnce(_ partition: PartitionID, _ key: Key) -> StoredRead? {
        let read = read(partition, key)
        guard case .onDisk(let ticket) = read else { return read }
        tickets[ticket] = nil
        return nil
    }

    package func readLater(_ partition: PartitionID, _ key: Key) -> StoredRead { read(partition, key) }

    /// The record of a ticket, which can be used once. Nil for any other ticket.
    func redeem(_ ticket: ReadTicket) -> Record? { tickets.removeValue(forKey: ticket) }

    package func put(_ partition: PartitionID, _ key: Key, _ record: Record) {
        toggle(partition, key)
        append(.put(partition, key, record))
        toggle(partition, key)
    }

    private func toggle(_ partition: PartitionID, _ key: Key) {
        guard let held = contents[partition]?.records[key] else { return }
        trees[partition, default: HashTree()].toggle(KeyHash(key), held.version, held.checksum)
    }

    package func restore(_ partition: PartitionID, _ key: Key, _ record: Record) -> Bool {
        guard head(partition, key)?.version == record.version else { return false }
        put(partition, key, record)
        return true
    }

    /// Does nothing, because every commit is synced.
    package func requireSync() {}

    package func promise(_ partition: PartitionID) -> Ballot { contents[partition]?.promise ?? .zero }

    package func setPromise(_ partition: PartitionID, _ ballot: Ballot) {
        append(.promise(partition, ballot))
    }

    package func tree(_ partition: PartitionID) -> HashTree { trees[partition] ?? HashTree() }

    package func forEach(_ partition: PartitionID, leaf: Int, _ body: (Key, RecordHead, _ checksum: UInt32) -> Void) {
        guard let records = contents[partition]?.records else { return }
        for (key, record) in records.filter({ HashTree.leaf(of: KeyHash($0.key)) == leaf })
            .sorted(by: { $0.key < $1.key })
        {
            body(key, record.head, record.checksum)
        }
    }

    /// Visits the records in the order of their keys, so that a run depends on its seed only.
    package func forEach(_ partition: PartitionID, _ body: (Key, RecordHead) -> Void) {
        guard let records = contents[partition]?.records else { return }
        for key in records.keys.sorted() {
            if let record = records[key] { body(key, record.head) }
        }
    }

    package func usage(_ partition: PartitionID) -> PartitionUsage {
        var usage = PartitionUsage()
        for (key, record) in contents[partition]?.records ?? [:] {
            if let value = record.value {
                usage.keys += 1
                usage.bytes += value.count
            } else {
                usage.tombstones += 1
            }
            usage.bytes += key.bytes.count
        }
        return usage
    }

    package func nextExpiry(_ partition: PartitionID) -> Expiry? {
        contents[partition]?.records.values.filter { $0.value != nil && $0.expiry != .never }
            .map(\.expiry).min { $0.milliseconds < $1.milliseconds }
    }

    /// Visits the records in the order of their keys.
    package func forEachExpired(
        _ partition: PartitionID, at wall: UInt64, limit: Int, _ body: (Key, RecordHead) -> Void
    ) -> Int {
        let expired = (contents[partition]?.records ?? [:]).filter {
            $0.value.value != nil && $0.value.expiry.hasPassed(at: wall)
        }
        let first = expired.sorted { $0.key < $1.key }.prefix(limit)
        for (key, record) in first { body(key, record.head) }
        return first.count
    }

    package func membership(_ partition: PartitionID) -> Epoch { contents[partition]?.membership ?? 0 }

    package func wipe(_ partition: PartitionID, membership: Epoch) {
        append(.wipe(partition, membership: membership))
        trees[partition] = HashTree()
    }

    package func purgeFloor(_ partition: PartitionID) -> Version { contents[partition]?.floor ?? .zero }

    package func setPurgeFloor(_ partition: PartitionID, _ floor: Version) {
        guard floor > purgeFloor(partition) else { return }
        append(.purge(partition, floor: floor))
        trees[partition] = Self.tree(of: contents[partition])
    }

    /// The most records that a call of `prepareSplits` looks at, so that splits are prepared in several calls.
    private static let preparedAtOnce = 2

    package func prepareSplits(to count: Int, work: inout Int) -> Bool {
        prepared = max(prepared, slots.count)
        var left = min(work, Self.preparedAtOnce)
        while prepared < count, let split = SlotMap(founding: slots.founding, count: prepared)?.next {
            let records = contents[split.parent]?.records.count ?? 0
            let looked = min(left, max(records - progress, 0))
            left -= looked
            work -= looked
            progress += looked
            guard progress >= records else { return false }
            prepared += 1
            progress = 0
        }
        return true
    }

    package func split() {
        guard let split = slots.next, let after = slots.afterNext else { return }
        slots = after
        if prepared < after.count { (prepared, progress) = (after.count, 0) }
        append(.split(split, after: after))
        for partition in [split.parent, split.child] { trees[partition] = Self.tree(of: contents[partition]) }
    }

    private func append(_ append: Append) {
        appended += 1
        unsynced.append(append)
        Self.apply(append, to: &contents)
    }

    static func apply(_ append: Append, to contents: inout [PartitionID: Contents]) {
        if case .split(let split, let after) = append {
            guard var child = contents[split.parent] else { return }
            child.records = child.records.filter { after.partition(of: $0.key.slot) == split.child }
            contents[split.child] = child
        }
        contents[append.partition, default: Contents()].apply(append)
    }

    /// Makes the appends up to `position` durable, and returns those that were not durable before.
    func synced(to position: LogPosition) -> [Append] {
        var covered: [Append] = []
        while durable < position, let next = unsynced.popFirst() {
            covered.append(next)
            durable += 1
        }
        return covered
    }
}

extension Record {
    /// The checksum of content type, value and expiry; 0 for a tombstone.
    var checksum: UInt32 {
        guard let value else { return 0 }
        let hash = KeyHash(Key(Array(contentType.utf8) + [0] + value))
        return UInt32(truncatingIfNeeded: hash.low ^ expiry.milliseconds)
    }
}
