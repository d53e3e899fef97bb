import KVCore

/// What any replica of a run ever stored: it says which write a version names, and notices what no store may see.
final class Ledger {
    /// 0 for a tombstone.
    private var writes: [KeyVersion: Int] = [:]
    private var stored: Set<Int> = []
    private(set) var violations: [Violation] = []
    /// How often a copy with records was deleted, and how many tombstones were let go.
    private(set) var wipes = 0
    private(set) var purgedTombstones = 0

    /// The value that stands for a write, unique in the run.
    static func value(_ write: Int) -> [UInt8] { Array("w\(write)".utf8) }

    /// Nil for bytes that no client wrote.
    static func write(in value: [UInt8]) -> Int? {
        guard value.first == UInt8(ascii: "w") else { return nil }
        return Int(String(decoding: value.dropFirst(), as: UTF8.self))
    }

    /// - Parameter isClients: false for the record of the topology.
    func stored(_ key: Key, _ record: Record, over old: Version?, isClients: Bool) {
        if let old, record.version <= old {
            add(Violation(.regression, "\(key): a record \(old) was replaced by \(record.version)"))
        }
        guard isClients else { return }
        guard let value = record.value else { return learn(key, record.version, write: 0) }
        guard let write = Self.write(in: value) else {
            return add(Violation(.versions, "\(key): record \(record.version) holds bytes that nobody wrote"))
        }
        stored.insert(write)
        learn(key, record.version, write: write)
    }

    func learn(_ key: Key, _ version: Version, write: Int) {
        let known = writes.updateValue(write, forKey: KeyVersion(key: key, version: version))
        if let known, known != write {
            add(Violation(.versions, "\(key): version \(version) names both w\(known) and w\(write)"))
        }
    }

    func promised(_ partition: PartitionID, _ ballot: Ballot, over old: Ballot) {
        if ballot < old {
            add(Violation(.regression, "partition \(partition): the promise of \(old) was replaced by \(ballot)"))
        }
    }

    func wiped(_ partition: PartitionID, _ membership: Epoch, over old: Epoch, records: Int) {
        if records > 0 { wipes += 1 }
        if membership <= old, membership != 0 {
            add(Violation(.regression, "partition \(partition): membership \(old) was replaced by \(membership)"))
        }
    }

    func purged(_ partition: PartitionID, tombstones: Int, keys: Int) {
        purgedTombstones += tombstones
        if keys != 0 { add(Violation(.regression, "partition \(partition): a purge took \(keys) values with it")) }
    }

    /// The write that a version names, 0 for a tombstone; nil where no replica ever stored it.
    func write(_ key: Key, _ version: Version) -> Int? { writes[KeyVersion(key: key, version: version)] }

    func hasStored(_ write: Int) -> Bool { stored.contains(write) }

    /// Keeps the first few: one fault tends to show many times.
    private func add(_ violation: Violation) {
        if violations.count < 5 { violations.append(violation) }
    }
}
