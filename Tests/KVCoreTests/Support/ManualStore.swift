import KVCore

/// A store in memory. Appends become durable when the test says so, and reads go to the disk if it says so.
final class ManualStore: RecordStore {
    private(set) var appended: LogPosition = 0
    private(set) var durable: LogPosition = 0
    private(set) var synced: LogPosition = 0
    var acceptsWrites = true
    var acceptsCopies = true
    /// Tombstones that count as removed are still in memory.
    var isPurging = false
    /// Reads get tickets, as if no value were in memory.
    var readsFromDisk = false

    /// What one partition holds.
    private struct Contents {
        var records: [Key: Record] = [:]
        /// The epoch of membership.
        var member: Epoch
        var floor = Version.zero
        var promised = Ballot.zero
        var hashes = HashTree()

        mutating func put(_ key: Key, _ record: Record) {
            drop(key)
            records[key] = record
            hashes.toggle(KeyHash(key), record.version, record.checksum)
        }

        mutating func drop(_ key: Key) {
            guard let old = records.removeValue(forKey: key) else { return }
            hashes.toggle(KeyHash(key), old.version, old.checksum)
        }
    }

    /// What the partition holds that the test is about, whatever its number.
    private var first: Contents
    /// What partitions hold that were split off.
    private var others: [PartitionID: Contents] = [:]
    private(set) var slots: SlotMap
    /// The number of partitions up to which splits count as prepared.
    var preparedCount = Int.max
    private(set) var wipes = 0
    private var lastTicket: UInt64 = 0
    private var tickets: [ReadTicket: (key: Key, record: Record)] = [:]
    /// Keys whose values cannot be read from the disk. Used together with `readsFromDisk`.
    var spoiled: Set<Key> = []
    /// All reads from now on return `gone`, as if the copy had been wiped meanwhile.
    var losesReads = false

    func isPurging(_ partition: PartitionID) -> Bool { isPurging }

    /// A store that holds `records` durably from the start, and has promised their ballots.
    init(
        _ records: [Key: Record] = [:], promise: Ballot = .zero, membership: Epoch = 1,
        slots: SlotMap = SlotMap(founding: 1)
    ) {
        self.slots = slots
        first = Contents(member: membership)
        for (key, record) in records { put(PartitionID(0), key, record) }
        first.promised = records.values.reduce(promise) { max($0, $1.version.ballot) }
        sync()
    }

    /// The records of the partition that the test is about.
    var records: [Key: Record] { first.records }

    private subscript(partition: PartitionID) -> Contents {
        get { others[partition] ?? first }
        _modify { if others[partition] == nil { yield &first } else { yield &others[partition, default: first] } }
    }

    func write() { durable = appended }

    func sync() {
        durable = appended
        synced = appended
    }

    func redeem(_ ticket: ReadTicket) -> LoadedValue {
        guard let (key, record) = tickets.removeValue(forKey: ticket), !losesReads else { return .gone }
        return spoiled.contains(key) ? .damaged : .record(record)
    }

    var damagedRecords: [DamagedRecord] {
        spoiled.sorted().compactMap { key in
            records[key].map { DamagedRecord(partition: PartitionID(0), key: key, version: $0.version) }
        }
    }

    func restore(_ partition: PartitionID, _ key: Key, _ record: Record) -> Bool {
        guard self[partition].records[key]?.version == record.version else { return false }
        appended += 1
        spoiled.remove(key)
        return true
    }

    /// The number of calls of `requireSync`.
    private(set) var requiredSyncs = 0
    func requireSync() { requiredSyncs += 1 }

    func head(_ partition: PartitionID, _ key: Key) -> RecordHead? { self[partition].records[key]?.head }

    func read(_ partition: PartitionID, _ key: Key) -> StoredRead {
        guard let record = self[partition].records[key] else { return .absent }
        guard readsFromDisk else { return .found(record) }
        lastTicket += 1
        let ticket = ReadTicket(lastTicket, bytes: key.bytes.count + (record.value?.count ?? 0))
        tickets[ticket] = (key, record)
        return .onDisk(ticket)
    }

    func readAtOnce(_ partition: PartitionID, _ key: Key) -> StoredRead? {
        let read = read(partition, key)
        guard case .onDisk(let ticket) = read else { return read }
        tickets[ticket] = nil
        return nil
    }

    func readLater(_ partition: PartitionID, _ key: Key) -> StoredRead { read(partition, key) }

    func put(_ partition: PartitionID, _ key: Key, _ record: Record) {
        appended += 1
        spoiled.remove(key)
        self[partition].put(key, record)
    }

    /// Puts another value under a version that the store holds. The protocol never does this.
    func forge(_ key: Key, _ record: Record) { put(PartitionID(0), key, record) }

    func promise(_ partition: PartitionID) -> Ballot { self[partition].promised }

    func setPromise(_ partition: PartitionID, _ ballot: Ballot) {
        appended += 1
        self[partition].promised = ballot
    }

    func tree(_ partition: PartitionID) -> HashTree { self[partition].hashes }

    /// The number of records that `forEach` has visited.
    private(set) var visits = 0

    func forEach(_ partition: PartitionID, leaf: Int, _ body: (Key, RecordHead, _ checksum: UInt32) -> Void) {
        for (key, record) in self[partition].records where HashTree.leaf(of: KeyHash(key)) == leaf {
            visits += 1
            body(key, record.head, record.checksum)
        }
    }

    func forEach(_ partition: PartitionID, _ body: (Key, RecordHead) -> Void) {
        visits += self[partition].records.count
        for (key, record) in self[partition].records { body(key, record.head) }
    }

    func usage(_ partition: PartitionID) -> PartitionUsage {
        let records = self[partition].records
        return PartitionUsage(
            keys: records.count { $0.value.value != nil }, tombstones: records.count { $0.value.value == nil },
            bytes: records.reduce(0) { $0 + $1.key.bytes.count + ($1.value.value?.count ?? 0) })
    }

    func membership(_ partition: PartitionID) -> Epoch { self[partition].member }

    func wipe(_ partition: PartitionID, membership: Epoch) {
        appended += 1
        self[partition] = Contents(member: membership, promised: promise(partition))
        wipes += 1
    }

    func purgeFloor(_ partition: PartitionID) -> Version { self[partition].floor }

    func setPurgeFloor(_ partition: PartitionID, _ floor: Version) {
        guard floor > self[partition].floor else { return }
        appended += 1
        self[partition].floor = floor
        for (key, record) in self[partition].records where record.value == nil && record.version <= floor {
            self[partition].drop(key)
        }
    }

    func prepareSplits(to count: Int, work: inout Int) -> Bool { count <= preparedCount }

    func split() {
        guard let split = slots.next, let after = slots.afterNext else { return }
        slots = after
        appended += 1
        var child = self[split.parent]
        for key in child.records.keys {
            if after.partition(of: key.slot) == split.child {
                self[split.parent].drop(key)
            } else {
                child.drop(key)
            }
        }
        others[split.child] = child
    }

    func nextExpiry(_ partition: PartitionID) -> Expiry? {
        self[partition].records.values.filter { $0.value != nil && $0.expiry != .never }
            .map(\.expiry).min { $0.milliseconds < $1.milliseconds }
    }

    func forEachExpired(_ partition: PartitionID, at wall: UInt64, limit: Int, _ body: (Key, RecordHead) -> Void) -> Int
    {
        let expired = self[partition].records.filter { $0.value.value != nil && $0.value.expiry.hasPassed(at: wall) }
        let first = expired.sorted { $0.key < $1.key }.prefix(limit)
        for (key, record) in first { body(key, record.head) }
        return first.count
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
