import DequeModule
import KVCore

/// The plain store of the simulator: dictionaries, and a queue of what is not durable yet.
public final class MemoryStore: RecordStore {
    /// What one partition holds.
    struct Contents {
        var records: [Key: Record] = [:]
        var promise = Ballot.zero
    }

    enum Append {
        case put(PartitionID, Key, Record)
        case promise(PartitionID, Ballot)
        case wipe(PartitionID)
    }

    public private(set) var appended: LogPosition = 0
    public private(set) var durable: LogPosition = 0
    public var acceptsWrites: Bool { true }
    public var acceptsCopies: Bool { true }

    private(set) var contents: [PartitionID: Contents]
    private var trees: [PartitionID: HashTree] = [:]
    private(set) var unsynced: Deque<Append> = []
    private var tickets: [ReadTicket: Record] = [:]
    private var lastTicket: UInt64 = 0
    private var random: SeededRandom
    private let loadChance: Double

    /// - Parameter loadChance: how often a read is put off, as one from disk.
    init(contents: [PartitionID: Contents], random: SeededRandom, loadChance: Double) {
        self.contents = contents
        self.random = random
        self.loadChance = loadChance
        for (partition, held) in contents {
            var tree = HashTree()
            for (key, record) in held.records { tree.toggle(KeyHash(key), record.version) }
            trees[partition] = tree
        }
    }

    public func head(_ partition: PartitionID, _ key: Key) -> RecordHead? { contents[partition]?.records[key]?.head }

    public func read(_ partition: PartitionID, _ key: Key) -> StoredRead {
        guard let record = contents[partition]?.records[key] else { return .absent }
        guard random.chance(loadChance) else { return .found(record) }
        lastTicket += 1
        tickets[ReadTicket(lastTicket)] = record
        return .onDisk(ReadTicket(lastTicket))
    }

    /// What a ticket stands for; nil for one that was not given out, or was used.
    func redeem(_ ticket: ReadTicket) -> Record? { tickets.removeValue(forKey: ticket) }

    public func put(_ partition: PartitionID, _ key: Key, _ record: Record) {
        append(.put(partition, key, record))
        let hash = KeyHash(key)
        let old = contents[partition, default: Contents()].records.updateValue(record, forKey: key)
        if let old { trees[partition, default: HashTree()].toggle(hash, old.version) }
        trees[partition, default: HashTree()].toggle(hash, record.version)
    }

    public func promise(_ partition: PartitionID) -> Ballot { contents[partition]?.promise ?? .zero }

    public func setPromise(_ partition: PartitionID, _ ballot: Ballot) {
        append(.promise(partition, ballot))
        contents[partition, default: Contents()].promise = ballot
    }

    public func tree(_ partition: PartitionID) -> HashTree { trees[partition] ?? HashTree() }

    public func forEach(_ partition: PartitionID, leaf: Int, _ body: (Key, RecordHead) -> Void) {
        forEach(partition) { key, head in
            if HashTree.leaf(of: KeyHash(key)) == leaf { body(key, head) }
        }
    }

    /// In order of keys, so that a run depends on nothing but its seed.
    public func forEach(_ partition: PartitionID, _ body: (Key, RecordHead) -> Void) {
        guard let records = contents[partition]?.records else { return }
        for key in records.keys.sorted() {
            if let record = records[key] { body(key, record.head) }
        }
    }

    public func usage(_ partition: PartitionID) -> PartitionUsage {
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

    public func wipe(_ partition: PartitionID) {
        append(.wipe(partition))
        contents[partition]?.records = [:]
        trees[partition] = HashTree()
    }

    private func append(_ append: Append) {
        appended += 1
        unsynced.append(append)
    }

    /// Everything up to `position` is durable: gives what that newly covers.
    func synced(to position: LogPosition) -> [Append] {
        var covered: [Append] = []
        while durable < position, let next = unsynced.popFirst() {
            covered.append(next)
            durable += 1
        }
        return covered
    }
}
