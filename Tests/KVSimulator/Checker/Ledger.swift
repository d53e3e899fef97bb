import KVCore

/// All records that any replica of a run has stored. It tells which write a version names, and notices what no store
/// may be asked to do.
final class Ledger {
    /// The value that each version names; 0 for a tombstone.
    private var values: [KeyVersion: Int] = [:]
    /// Writes whose effect is in a value that some store has had.
    private var stored: Set<Int> = []
    /// The expiries that records have had, in milliseconds since 1970.
    private var expiries: [Key: Set<UInt64>] = [:]
    /// By the last write that has appended: the content after it.
    private var appended: [Int: Content] = [:]
    private(set) var violations: [Violation] = []
    /// The number of copies with records that were deleted.
    private(set) var wipes = 0
    /// The number of tombstones that were removed.
    private(set) var purgedTombstones = 0

    /// Notes that a store has put a record in the place of the version `old`.
    /// - Parameter isClients: False for the record of the topology.
    func stored(_ key: Key, _ record: Record, over old: Version?, isClients: Bool) {
        if let old, record.version <= old {
            add(Violation(.regression, "\(key): a record \(old) was replaced by \(record.version)"))
        }
        guard isClients else { return }
        guard let value = record.value else { return learn(key, record.version, value: 0) }
        guard let content = Content(value) else {
            return add(Violation(.versions, "\(key): record \(record.version) holds bytes that nobody wrote"))
        }
        stored.formUnion(content.writes)
        if record.expiry != .never { expiries[key, default: []].insert(record.expiry.milliseconds) }
        learn(content)
        learn(key, record.version, value: content.value)
    }

    func learn(_ key: Key, _ version: Version, value: Int) {
        let known = values.updateValue(value, forKey: KeyVersion(key: key, version: version))
        if let known, known != value {
            add(Violation(.versions, "\(key): version \(version) names both \(known) and \(value)"))
        }
    }

    /// Notes a content that was in the register, and those to which its writes have appended.
    func learn(_ content: Content) {
        var next: Content? = content
        while let content = next, content.isAppended {
            let known = appended.updateValue(content, forKey: content.value)
            if let known {
                guard known != content else { return }
                let bytes = [known, content].map { String(decoding: $0.bytes, as: UTF8.self) }
                add(Violation(.versions, "write \(content.value) came to both \(bytes[0]) and \(bytes[1])"))
            }
            next = content.appendedTo
        }
    }

    /// The content of the register after a write had appended to it. Nil if nobody has seen it.
    func content(appendedBy write: Int) -> Content? { appended[write] }

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

    /// The value that a version names; 0 for a tombstone. Nil if no replica has stored the version.
    func value(_ key: Key, _ version: Version) -> Int? { values[KeyVersion(key: key, version: version)] }

    func hasStored(_ write: Int) -> Bool { stored.contains(write) }

    /// True if some store has had a record of the key with such an expiry.
    func hasStored(_ key: Key, expiring range: ClosedRange<UInt64>) -> Bool {
        expiries[key]?.contains(where: range.contains) ?? false
    }

    /// Keeps the first few violations, because one fault often causes many.
    private func add(_ violation: Violation) {
        if violations.count < 5 { violations.append(violation) }
    }
}
