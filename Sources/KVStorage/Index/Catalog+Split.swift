import KVCore

// Splits of partitions.
//
// Records on disk name the partition that they were written to, and are not written again because it is split. So the
// partition that has a record is found by the slot of its key. While nothing has been split, it is the one named.
//
// In memory, the entries of a partition that is split move to the index of the new one. That takes about a microsecond
// each, so it is done ahead of the split, in steps:
//
//     partition 3   [ index of what has not moved ]      asked by everyone
//       children    [ 19: index of what has moved ]      with the slots that partition 19 will have
//
// Until the split, partition 3 has the records of both, and partition 19 does not exist for anyone. A key is looked for
// in the child that will have it, then in the partition. What is written goes to the child at once. A child has the
// state of its partition, so that whatever looks at the entries of one index need not know of this. Children can have
// children, where splits are prepared beyond the next one of the same partition.

extension Catalog {
    // MARK: Owners

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
        let owner = slots.partition(of: Self.slot(of: key))
        // The mark of a move has a key of another slot, and stays where it is.
        return slots.ancestor(of: owner) == slots.ancestor(of: partition) ? owner : partition
    }

    private static func slot(of key: UnsafeRawBufferPointer) -> Slot {
        Slot(key: key.assumingMemoryBound(to: UInt8.self))
    }

    // MARK: Lookups

    /// The partition or the child of it whose index has a key; if none has it, the one that it would be put into.
    @inline(__always)
    func holder(of key: UnsafeRawBufferPointer, _ hash: KeyHash, in id: PartitionID) -> Partition? {
        guard let partition = existing(id) else { return nil }
        return partition.children == nil ? partition : parts(for: key, hash, in: partition).holder
    }

    /// The child of a partition whose index is to have a key. If the key is still in another, it moves there.
    func settle(_ key: UnsafeRawBufferPointer, _ hash: KeyHash, in partition: Partition) -> Partition {
        let (holder, target) = parts(for: key, hash, in: partition)
        if holder !== target, let entry = holder.index.find(key, hash) { move(entry, of: holder, to: target) }
        return target
    }

    /// - Returns: the part that has the key, or else the target: the part that is to have it.
    private func parts(
        for key: UnsafeRawBufferPointer, _ hash: KeyHash, in partition: Partition
    ) -> (holder: Partition, target: Partition) {
        let slot = Self.slot(of: key)
        var holder: Partition?
        var target = partition
        while let child = target.children?.first(where: { $0.range?.contains(slot) == true }) {
            if holder == nil, target.index.find(key, hash) != nil { holder = target }
            target = child
        }
        return (holder ?? target, target)
    }

    /// Like `existing`, also for a partition whose split is being prepared.
    func held(_ id: PartitionID) -> Partition? { existing(id) ?? preparing[id] }

    /// A number above those of all partitions that are held.
    var heldLimit: Int { preparing.keys.reduce(partitionLimit) { max($0, Int($1.raw) + 1) } }

    // MARK: Preparing

    /// The work of moving an entry, beside that of looking at one.
    static let moved = 8

    /// Prepares the splits up to a number of partitions, one after another.
    /// - Parameter work: how many entries may be looked at. What is left of it is left to the caller.
    /// - Returns: true when nothing is left to do.
    func prepare(to count: Int, _ work: inout Int) -> Bool {
        while prepared.count < count, let split = prepared.next, let after = prepared.afterNext {
            // A partition that comes into being later is divided then.
            if let parent = held(split.parent) {
                // A split finishes a purge, which may take long.
                guard purge(parent, &work) else { return false }
                let child = preparing[split.child] ?? begin(split, of: parent, after)
                guard moveEntries(of: parent, to: child, &work) else { return false }
            }
            (prepared, unprepared) = (after, nil)
        }
        return true
    }

    /// Adds to a new partition the children of splits that have been prepared without it.
    func divide(_ parent: Partition) {
        var before = slots
        while before.count < prepared.count, let split = before.next, let after = before.afterNext {
            if split.parent == parent.id { divide(begin(split, of: parent, after)) }
            before = after
        }
    }

    private func begin(_ split: SlotMap.Split, of parent: Partition, _ after: SlotMap) -> Partition {
        assert(existing(split.child) == nil, "a partition has no records before it is split off")
        let child = Partition(split.child, memory)
        child.owner = parent.owner
        child.range = after.slots(of: split.child)
        child.state = parent.state
        child.calendar = ExpiryCalendar(at: parent.calendar)
        parent.children = (parent.children ?? []) + [child]
        preparing[child.id] = child
        return child
    }

    /// Looks at entries from the last one to the first. So it does not matter that entries move meanwhile from the end
    /// to places before it (`KeyIndex.shrink`), and new ones are none of the child's.
    private func moveEntries(of parent: Partition, to child: Partition, _ work: inout Int) -> Bool {
        var left = min(unprepared ?? .max, parent.index.extent)
        while left > 0 {
            guard work > 0 else {
                unprepared = left
                return false
            }
            left -= 1
            work -= 1
            guard parent.index.isUsed(left), child.range?.contains(Self.slot(of: parent.index.key(left))) == true
            else { continue }
            work -= Self.moved
            move(left, of: parent, to: child)
        }
        return true
    }

    /// Moves an entry to the index of another partition. The record stays where it is on disk.
    private func move(_ entry: Int, of parent: Partition, to child: Partition) {
        guard !parent.isPurged(entry) else { return dropPurged(parent, entry) }
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
            let entry = CachedEntry(index: child.index.number, entry: new)
            cache.entryMoved(old.pointee.cacheSlot, to: entry, of: child.id)
        }
        child.count(moved, 1)
        child.schedule(new, from: 0, to: moved.pointee.end)
        child.toggle(hash, moved.pointee.version, checksum)
        parent.count(old, -1)
        parent.schedule(entry, from: old.pointee.end, to: 0)
        parent.toggle(hash, old.pointee.version, checksum)
        parent.index.remove(entry)
        if parent.index.shouldShrink { noteShrinking(parent) }
    }

    // MARK: Splitting

    /// Carries out a split in memory.
    /// - Parameter after: The slots after it.
    func split(_ split: SlotMap.Split, _ after: SlotMap) {
        var work = Int.max
        _ = prepare(to: after.count, &work)
        use(after)
        guard let child = preparing.removeValue(forKey: split.child), let parent = existing(split.parent) else {
            return
        }
        assert(parent.hasState || parent.index.count + child.index.count == 0, "records are of a membership")
        assert(parent.children?.first === child, "partitions are split off in the order in which that is prepared")
        parent.children?.removeFirst()
        if parent.children?.isEmpty == true { parent.children = nil }
        // They are purged tombstones of both, and nothing tells whose. What is counted of nobody stays until merging
        // has looked at it; what was counted of one would be forgotten by a wipe of that one.
        parent.suppressors = [:]
        child.range = nil
        child.forEachPart { $0.owner = child.id }
        add(child)
        if child.index.shouldShrink { noteShrinking(child) }
    }
}

extension Partition {
    /// Calls `body` with the partition, and with the parts of it that are being split off.
    @inline(__always)
    func forEachPart(_ body: (Partition) -> Void) {
        body(self)
        if children != nil { forEachChild(body) }
    }

    private func forEachChild(_ body: (Partition) -> Void) {
        for child in children ?? [] {
            body(child)
            child.forEachChild(body)
        }
    }

    /// Gives the state to the parts that are being split off.
    func shareState() {
        forEachPart { $0.state = state }
    }
}
