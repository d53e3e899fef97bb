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
            partition.forEachPart { part in
                if let flaw = flaw(of: part, &live) { broken = "partition \(id.raw), part \(part.id.raw): \(flaw)" }
                let isRight =
                    part.state == partition.state && part.owner == id && (part === partition) == (part.id == id)
                if !isRight { broken = "partition \(part.id.raw), prepared of \(id.raw), is not as that one" }
            }
        }
        if let broken { return broken }
        // They count until they are discounted.
        catalog.forEachForgotten { live[$0.segment, default: 0] += $0.length }
        for segment in catalog.segments.all where segment.live != live[segment.number, default: 0] {
            return
                "segment \(segment.number) counts \(segment.live) bytes as live, the index \(live[segment.number] ?? 0)"
        }
        return nil
    }

    /// What is wrong with the place of a key, in words; nil if it is in the partition that has its slot, or that will
    /// have it once it is split off.
    private func misplaced(_ key: UnsafeRawBufferPointer, in partition: Partition) -> String? {
        let slot = Slot(key: key.assumingMemoryBound(to: UInt8.self))
        let isRight = partition.range?.contains(slot) ?? (catalog.owner(of: partition.id, key) == partition.id)
        return isRight ? nil : "it has a key of slot \(slot)"
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
            if let flaw = misplaced(partition.index.key(number), in: partition) { return flaw }
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
