import KVCore

// Splits of partitions.
//
// Records on disk name the partition that they were written to, and are not written again because it is split. So the
// partition that has a record is found by the slot of its key. While nothing has been split, it is the one named.

extension Catalog {
    @inline(__always)
    var isSplit: Bool { slots.count != slots.founding }

    /// The partition that has the record of a key now.
    /// - Parameter partition: the one that the record was written to.
    @inline(__always)
    func owner(of partition: PartitionID, _ key: UnsafeRawBufferPointer) -> PartitionID {
        isSplit ? slotOwner(of: partition, key) : partition
    }

    func owner(of partition: PartitionID, _ key: Key) -> PartitionID {
        isSplit ? key.bytes.withUnsafeBytes { slotOwner(of: partition, $0) } : partition
    }

    private func slotOwner(of partition: PartitionID, _ key: UnsafeRawBufferPointer) -> PartitionID {
        // The metadata partition has no slots, and is never split.
        guard partition != slots.metadataPartition else { return partition }
        let owner = slots.partition(of: Slot(key: key.assumingMemoryBound(to: UInt8.self)))
        // The mark of a move has a key of another slot, and stays where it is.
        return slots.ancestor(of: owner) == slots.ancestor(of: partition) ? owner : partition
    }

    /// Carries out a split in memory.
    /// - Parameter after: The slots after it.
    func split(_ split: SlotMap.Split, _ after: SlotMap) {
        slots = after
        guard let parent = existing(split.parent) else { return }
        assert(parent.hasState || parent.index.count == 0, "records are of a membership")
        guard parent.hasState else { return }
        let child = partition(split.child)
        assert(!child.hasState && child.index.count == 0, "a partition has no records before it is split off")
        child.state = parent.state
        for entry in parent.index.entries where parent.index.isUsed(entry) {
            if slotOwner(of: split.parent, parent.index.key(entry)) == split.child {
                move(entry, of: parent, to: child)
            }
        }
        // They are purged tombstones of both, and nothing tells whose. What is counted of nobody stays until merging
        // has looked at it; what was counted of one would be forgotten by a wipe of that one.
        parent.suppressors = [:]
        if parent.index.shouldShrink { noteShrinking(parent) }
    }

    /// Moves an entry to the index of another partition. The record stays where it is on disk.
    private func move(_ entry: Int, of parent: Partition, to child: Partition) {
        let key = parent.index.key(entry)
        let hash = KeyHash(key)
        let new = child.index.insert(key, hash)
        let (old, moved) = (parent.index.pointer(entry), child.index.pointer(new))
        let checksum = parent.index.checksum(entry).pointee
        moved.pointee.set(
            old.pointee.version, Expiry(milliseconds: old.pointee.expiry), old.pointee.location,
            length: old.pointee.length, isTombstone: old.pointee.isTombstone)
        child.index.checksum(new).pointee = checksum
        if old.pointee.cacheSlot != 0 {
            moved.pointee.cacheSlot = old.pointee.cacheSlot
            cache.entryMoved(old.pointee.cacheSlot, to: new, of: child.id)
        }
        child.count(moved, 1)
        child.schedule(new, from: 0, to: moved.pointee.end)
        child.toggle(hash, moved.pointee.version, checksum)
        parent.count(old, -1)
        parent.schedule(entry, from: old.pointee.end, to: 0)
        parent.toggle(hash, old.pointee.version, checksum)
        parent.index.remove(entry)
    }
}
