import KVCore

// Invariants that a store keeps between any two operations, for tests and the simulator to check.

extension LogStore {
    /// The first broken invariant that is found, in words; nil where all hold. The numbers are those of
    /// docs/protocol.md. Looks at everything.
    package var brokenInvariant: String? {
        guard synced <= durable, durable <= appended else {
            return "7: \(synced) is synced, \(durable) durable, and \(appended) appended"
        }
        var broken: String?
        var live: [UInt32: Int] = [:]
        catalog.forEachPartition { id, partition in
            if let flaw = flaw(of: partition, &live) { broken = "partition \(id.raw): \(flaw)" }
        }
        if let broken { return broken }
        for segment in catalog.segments.all where segment.live != live[segment.number, default: 0] {
            return
                "segment \(segment.number) counts \(segment.live) bytes as live, the index \(live[segment.number] ?? 0)"
        }
        return nil
    }

    private func flaw(of partition: Partition, _ live: inout [UInt32: Int]) -> String? {
        guard partition.purging != nil || partition.holdsNoPurgedTombstone else {
            return "12: a tombstone up to the floor is held"
        }
        guard partition.holdsNothingWiped else { return "13: a record from before the wipe is held" }
        var usage = PartitionUsage()
        var expiring = 0
        var tree = HashTree()
        for number in partition.index.entries where partition.index.isUsed(number) {
            let (entry, hash) = (partition.index.pointer(number).pointee, partition.index.hash(number))
            guard partition.index.find(partition.index.key(number), hash) == number else {
                return "a key of the index is not found"
            }
            guard catalog.segments[entry.segment] != nil else {
                return "segment \(entry.segment) is gone and referred to"
            }
            live[entry.segment, default: 0] += entry.length
            if entry.isTombstone { usage.tombstones += 1 } else { usage.keys += 1 }
            if entry.end != 0 { expiring += 1 }
            usage.bytes += entry.length - RecordFormat.headerSize
            tree.toggle(hash, entry.version, partition.index.checksum(number).pointee)
        }
        guard usage == partition.usage, expiring == partition.calendar.count else {
            return "it counts \(partition.usage) and \(partition.calendar.count) expiring, the index \(usage) and "
                + "\(expiring)"
        }
        if let flaw = partition.calendar.flaw({ partition.index.pointer($0).pointee.end }) { return flaw }
        guard tree.leaves == partition.tree.leaves, tree.root == partition.tree.root else {
            return "the hash tree is not that of the records"
        }
        return nil
    }
}
