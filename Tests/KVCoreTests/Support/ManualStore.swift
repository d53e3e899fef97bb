import KVCore

/// A store in memory. Appends become durable when the test says so, and reads go to the disk if it says so.
final class ManualStore: RecordStore {
    private(set) var appended: LogPosition = 0
    private(set) var durable: LogPosition = 0
    private(set) var synced: LogPosition = 0
    var acceptsWrites = true
    var acceptsCopies = true
    /// Reads get tickets, as if no value were in memory.
    var readsFromDisk = false

    private(set) var records: [Key: Record] = [:]
    /// The epoch of membership.
    private var member: Epoch
    private var floor = Version.zero
    private(set) var wipes = 0
    private var promised = Ballot.zero
    private var hashes = HashTree()
    private var lastTicket: UInt64 = 0
    private var tickets: [ReadTicket: (key: Key, record: Record)] = [:]
    /// Keys whose values cannot be read from the disk. Used together with `readsFromDisk`.
    var spoiled: Set<Key> = []
    /// All reads from now on return `gone`, as if the copy had been wiped meanwhile.
    var losesReads = false

    /// A store that holds `records` durably from the start, and has promised their ballots.
    init(_ records: [Key: Record] = [:], promise: Ballot = .zero, membership: Epoch = 1) {
        member = membership
        for (key, record) in records { put(PartitionID(0), key, record) }
        promised = records.values.reduce(promise) { max($0, $1.version.ballot) }
        sync()
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
        guard records[key]?.version == record.version else { return false }
        appended += 1
        spoiled.remove(key)
        return true
    }

    /// The number of calls of `requireSync`.
    private(set) var requiredSyncs = 0
    func requireSync() { requiredSyncs += 1 }

    func head(_ partition: PartitionID, _ key: Key) -> RecordHead? { records[key]?.head }

    func read(_ partition: PartitionID, _ key: Key) -> StoredRead {
        guard let record = records[key] else { return .absent }
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
        if let old = records.updateValue(record, forKey: key) {
            hashes.toggle(KeyHash(key), old.version, old.checksum)
        }
        hashes.toggle(KeyHash(key), record.version, record.checksum)
    }

    /// Puts another value under a version that the store holds. The protocol never does this.
    func forge(_ key: Key, _ record: Record) { put(PartitionID(0), key, record) }

    func promise(_ partition: PartitionID) -> Ballot { promised }

    func setPromise(_ partition: PartitionID, _ ballot: Ballot) {
        appended += 1
        promised = ballot
    }

    func tree(_ partition: PartitionID) -> HashTree { hashes }

    /// The number of records that `forEach` has visited.
    private(set) var visits = 0

    func forEach(_ partition: PartitionID, leaf: Int, _ body: (Key, RecordHead, _ checksum: UInt32) -> Void) {
        for (key, record) in records where HashTree.leaf(of: KeyHash(key)) == leaf {
            visits += 1
            body(key, record.head, record.checksum)
        }
    }

    func forEach(_ partition: PartitionID, _ body: (Key, RecordHead) -> Void) {
        visits += records.count
        for (key, record) in records { body(key, record.head) }
    }

    func usage(_ partition: PartitionID) -> PartitionUsage {
        PartitionUsage(
            keys: records.count { $0.value.value != nil }, tombstones: records.count { $0.value.value == nil },
            bytes: records.reduce(0) { $0 + $1.key.bytes.count + ($1.value.value?.count ?? 0) })
    }

    func membership(_ partition: PartitionID) -> Epoch { member }

    func wipe(_ partition: PartitionID, membership: Epoch) {
        appended += 1
        records = [:]
        hashes = HashTree()
        floor = .zero
        member = membership
        wipes += 1
    }

    func purgeFloor(_ partition: PartitionID) -> Version { floor }

    func setPurgeFloor(_ partition: PartitionID, _ floor: Version) {
        guard floor > self.floor else { return }
        appended += 1
        self.floor = floor
        for (key, record) in records where record.value == nil && record.version <= floor {
            records[key] = nil
            hashes.toggle(KeyHash(key), record.version, record.checksum)
        }
    }

    func nextExpiry(_ partition: PartitionID) -> Expiry? {
        records.values.filter { $0.value != nil && $0.expiry != .never }
            .map(\.expiry).min { $0.milliseconds < $1.milliseconds }
    }

    func forEachExpired(_ partition: PartitionID, at wall: UInt64, limit: Int, _ body: (Key, RecordHead) -> Void) -> Int
    {
        let expired = records.filter { $0.value.value != nil && $0.value.expiry.hasPassed(at: wall) }
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
