import CLinux
import KVCore

/// One partition's part of the store, in memory.
///
/// The fields that every operation touches are exempt from the checks for overlapping access, which cost a fifth of a
/// put. No accesses overlap: the store is confined to one event loop, and none here calls back into it.
final class Partition {
    let id: PartitionID
    /// The partition that is asked for the records: itself, unless its split is only being prepared.
    var owner: PartitionID
    /// The partitions that are being split off, in the order of their splits; nil where there are none. See
    /// Catalog+Split.swift.
    @exclusivity(unchecked) var children: [Partition]?
    /// The slots that it is to have, while its split is being prepared.
    var range: ClosedRange<Slot>?
    @exclusivity(unchecked) var index: KeyIndex
    @exclusivity(unchecked) var state = PartitionState()
    @exclusivity(unchecked) var usage = PartitionUsage()
    /// The records with a value that have an expiry.
    @exclusivity(unchecked) var calendar = ExpiryCalendar()
    /// Bytes of the partition's purged tombstones, by segment. Merged segments may still be in it.
    var suppressors: [UInt32: Int] = [:]
    @exclusivity(unchecked) private(set) var tree = HashTree()
    /// True when the log has a state of the partition.
    var hasState: Bool { state != PartitionState() }
    /// True while the catalog has noted that the partition has memory to give back.
    var isShrinking = false
    /// The next entry to look at while purged tombstones are being dropped; nil when the index holds none.
    var purging: Int?

    @inline(__always)
    func toggle(_ hash: KeyHash, _ version: Version, _ checksum: UInt32) { tree.toggle(hash, version, checksum) }

    func shrinkTree() { tree.shrink() }

    /// Prefetches the first slot that a lookup needs, and the leaf that a change of the key changes.
    @inline(__always)
    func prefetchSlot(_ hash: KeyHash) {
        index.prefetchSlot(hash)
        tree.withAddress(of: hash) { kv_prefetch($0) }
    }

    /// True for a tombstone that is purged and still to be dropped: it counts as absent.
    @inline(__always)
    func isPurged(_ entry: Int) -> Bool {
        let entry = index.pointer(entry)
        return entry.pointee.isTombstone && entry.pointee.version <= state.floor
    }

    /// The entry of a key that the partition holds a record of.
    @inline(__always)
    func find(_ key: UnsafeRawBufferPointer, _ hash: KeyHash) -> Int? {
        guard let found = index.find(key, hash), !isPurged(found) else { return nil }
        return found
    }

    /// Adds an entry to the counts, or takes it out of them.
    /// - Parameter sign: 1 or -1.
    @inline(__always)
    func count(_ entry: UnsafeMutablePointer<IndexEntry>, _ sign: Int) {
        if entry.pointee.isTombstone {
            usage.tombstones += sign
        } else {
            usage.keys += sign
        }
        usage.bytes += sign * (entry.pointee.length - RecordFormat.headerSize)
        assert(
            usage.keys >= 0 && usage.tombstones >= 0 && usage.bytes >= 0,
            "a record is counted once")
    }

    init(_ id: PartitionID, _ memory: IndexMemory) {
        self.id = id
        owner = id
        index = KeyIndex(memory)
    }

    /// Notes when the record of an entry expires.
    /// - Parameters:
    ///   - old: When the record expires that the entry has held, in milliseconds since 1970; 0 for never, for a
    ///     tombstone and for none.
    ///   - new: The same of the record that it holds from now on.
    @inline(__always)
    func schedule(_ entry: Int, from old: UInt64, to new: UInt64) {
        if old != new { reschedule(entry, from: old, to: new) }
    }

    private func reschedule(_ entry: Int, from old: UInt64, to new: UInt64) {
        if old == 0 {
            calendar.add(entry, new)
        } else if new == 0 {
            calendar.remove(entry, old)
        } else {
            calendar.change(entry, from: old, to: new)
        }
    }

    /// Forgets all keys.
    /// - Parameter isCounted: Whether the entries still count in the catalog.
    /// - Returns: the index with their memory.
    func clear(_ memory: IndexMemory, isCounted: Bool) -> SpentIndex {
        var spent = KeyIndex(memory)
        swap(&index, &spent)
        usage = PartitionUsage()
        calendar = ExpiryCalendar()
        tree = HashTree()
        purging = nil
        return SpentIndex(spent, isCounted: isCounted)
    }
}

// What holds after every operation, for assertions. Each looks at all entries.
extension Partition {
    var holdsNoPurgedTombstone: Bool {
        !index.entries.contains {
            index.isUsed($0) && index.pointer($0).pointee.isTombstone
                && index.pointer($0).pointee.version <= state.floor
        }
    }

    var holdsNothingWiped: Bool {
        !index.entries.contains { index.isUsed($0) && index.pointer($0).pointee.location < state.wiped }
    }
}
