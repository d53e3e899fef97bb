import KVCore

/// Everything that the store keeps in memory about the log: the keys of each partition, the segments with the sizes of
/// what is needed in them, and the cache. Appends and recovery run the same code. (`Partition` says why exclusivity is
/// not checked.)
final class Catalog {
    @exclusivity(unchecked) private var partitions: [Partition?] = []
    @exclusivity(unchecked) var segments = SegmentTable()
    @exclusivity(unchecked) var cache: ValueCache
    /// The partitions that have memory to give back.
    private var shrinking: [Partition] = []
    /// The partitions that may have purged tombstones to drop.
    private var purging: [Partition] = []
    /// What is left of partitions that have forgotten all keys.
    private var spent: [SpentIndex] = []
    /// Those of which entries still count.
    private var forgotten: [SpentIndex] = []
    let memory = IndexMemory()
    /// The size in bytes of the largest record so far, without its header.
    @exclusivity(unchecked) private(set) var largest = 0

    /// Which partition has which slots, as far as the splits have been carried out.
    @exclusivity(unchecked) private(set) var slots: SlotMap
    /// The partitions whose splits are being prepared: they do not exist yet for anyone else.
    var preparing: [PartitionID: Partition] = [:]
    /// The slots after the splits that are prepared, and how many entries the partition that comes next to be split has
    /// that are still to be looked at; nil before the first look.
    var prepared: SlotMap
    var unprepared: Int?
    /// The highest number of partitions that recovery has found in a state; 0 where nothing has been split.
    var splitCount = 0

    init(cache: Int, slots: SlotMap) {
        self.cache = ValueCache(limit: cache)
        self.slots = slots
        prepared = slots
    }

    /// Goes by other slots.
    func use(_ slots: SlotMap) {
        self.slots = slots
        if prepared.count < slots.count || prepared.founding != slots.founding { (prepared, unprepared) = (slots, nil) }
    }

    @inline(__always)
    func existing(_ id: PartitionID) -> Partition? {
        Int(id.raw) < partitions.count ? partitions[Int(id.raw)] : nil
    }

    /// Like `existing`, but without counting a reference, which would wait for the partition's memory.
    @inline(__always)
    func unretained(_ id: PartitionID) -> Unmanaged<Partition>? {
        partitions.withUnsafeBytes { bytes in
            let offset = Int(id.raw) * MemoryLayout<Partition?>.stride
            guard offset < bytes.count else { return nil }
            return bytes.load(fromByteOffset: offset, as: Unmanaged<Partition>?.self)
        }
    }

    /// A number above those of all partitions that exist.
    var partitionLimit: Int { partitions.count }

    func partition(_ id: PartitionID) -> Partition {
        if let partition = existing(id) { return partition }
        while partitions.count <= Int(id.raw) { partitions.append(nil) }
        let fresh = Partition(id, memory)
        partitions[Int(id.raw)] = fresh
        if prepared.count > slots.count { divide(fresh) }
        return fresh
    }

    /// Makes a partition exist whose split has been prepared.
    func add(_ partition: Partition) {
        let number = Int(partition.id.raw)
        while partitions.count <= number { partitions.append(nil) }
        assert(partitions[number] == nil, "a partition has no records before it is split off")
        partitions[number] = partition
    }

    func forEachPartition(_ body: (PartitionID, Partition) -> Void) {
        for (number, partition) in partitions.enumerated() {
            if let partition { body(PartitionID(UInt16(truncatingIfNeeded: number)), partition) }
        }
    }

    /// Makes a record the one that the index holds of its key.
    /// - Parameter found: the key's entry, if it has one.
    @inline(__always)
    func hold(
        _ partition: Partition, _ found: Int?, _ key: UnsafeRawBufferPointer, _ hash: KeyHash,
        _ version: Version, _ expiry: Expiry, _ location: Location, _ size: RecordSize, isTombstone: Bool
    ) -> UnsafeMutablePointer<IndexEntry> {
        let entry = found ?? partition.index.insert(key, hash)
        let pointer = partition.index.pointer(entry)
        let checksum = partition.index.checksum(entry)
        let length = size.length
        let end = found == nil ? 0 : pointer.pointee.end
        // Invariant 13: a copy is of one membership.
        assert(location >= partition.state.wiped, "a record from before a wipe is not held")
        if found != nil {
            // Invariant 3: versions only grow. (The one that is held is written again where the disk has spoiled it.)
            assert(pointer.pointee.version <= version, "a record gives way only to a later version")
            partition.count(pointer, -1)
            segments[pointer.pointee.segment]?.live -= pointer.pointee.length
            partition.toggle(hash, pointer.pointee.version, checksum.pointee)
        }
        pointer.pointee.set(version, expiry, location, length: length, isTombstone: isTombstone)
        partition.count(pointer, 1)
        partition.schedule(entry, from: end, to: pointer.pointee.end)
        if length - RecordFormat.headerSize > largest { largest = length - RecordFormat.headerSize }
        segments[location.segment]?.live += length
        checksum.pointee = size.checksum
        partition.toggle(hash, version, size.checksum)
        return pointer
    }

    /// Forgets a key.
    func drop(_ partition: Partition, _ entry: Int) {
        let pointer = partition.index.pointer(entry)
        partition.count(pointer, -1)
        partition.schedule(entry, from: pointer.pointee.end, to: 0)
        segments[pointer.pointee.segment]?.live -= pointer.pointee.length
        partition.toggle(
            partition.index.hash(entry), pointer.pointee.version, partition.index.checksum(entry).pointee)
        uncache(pointer)
        partition.index.remove(entry)
        if partition.index.shouldShrink { noteShrinking(partition) }
    }

    func noteShrinking(_ partition: Partition) {
        guard !partition.isShrinking, partition.range == nil else { return }
        partition.isShrinking = true
        shrinking.append(partition)
    }

    /// Gives back the memory of keys that are gone, step by step: most of it is in partitions that may be large, and no
    /// step may take long.
    /// - Parameter work: how many entries of the index the step may look at.
    func shrink(_ work: Int) {
        // Entries would move from where a purge has yet to look to where it has looked.
        guard purging.isEmpty else { return }
        var work = work
        while work > 0, let index = spent.last {
            if index.free(&work) { spent.removeLast() }
        }
        while work > 0, let partition = shrinking.last {
            let isDone = partition.index.shrink(&work) { entry, old, number in
                if entry.pointee.end != 0 { partition.calendar.move(old, to: number, entry.pointee.end) }
                if entry.pointee.cacheSlot != 0 { cache.entryMoved(entry.pointee.cacheSlot, to: number) }
            }
            guard isDone else { continue }
            partition.shrinkTree()
            partition.isShrinking = false
            shrinking.removeLast()
        }
    }

    /// True while there is memory to give back.
    var hasMemoryToShrink: Bool { !shrinking.isEmpty || !spent.isEmpty }

    // MARK: Purging

    /// Forgets a partition's tombstones up to its floor: they count as absent from now on. They leave the index, the
    /// hash tree and the counts in steps (`purge`), because there may be many.
    func beginPurge(_ partition: Partition) {
        guard partition.usage.tombstones > 0, partition.state.floor > .zero else { return }
        partition.suppressors = partition.suppressors.filter { segments[$0.key] != nil }
        if partition.purging == nil { purging.append(partition) }
        partition.purging = 0
    }

    /// True while there may be purged tombstones to drop.
    var isPurging: Bool { !purging.isEmpty }

    /// Drops purged tombstones.
    /// - Parameter work: how many entries of the index may be looked at. What the step leaves of it is left to the
    ///   caller.
    /// - Returns: true when a partition has no more of them.
    func purge(_ work: inout Int) -> Bool {
        var isDone = false
        while work > 0, let partition = purging.last {
            guard purge(partition, &work) else { break }
            purging.removeLast()
            isDone = true
        }
        return isDone
    }

    /// Drops all purged tombstones of a partition.
    func finishPurge(_ partition: Partition) {
        var work = Int.max
        _ = purge(partition, &work)
        purging.removeAll { $0 === partition }
    }

    /// The work of dropping one entry, beside that of looking at one.
    private static let dropped = 16

    func purge(_ partition: Partition, _ work: inout Int) -> Bool {
        guard var next = partition.purging else { return true }
        while next < partition.index.extent {
            guard work > 0 else {
                partition.purging = next
                return false
            }
            work -= 1
            if partition.index.isUsed(next), partition.isPurged(next) {
                work -= Self.dropped
                dropPurged(partition, next)
            }
            next += 1
        }
        partition.purging = nil
        // Free the memory as well.
        if partition.index.count == 0 { spent.append(partition.clear(memory, isCounted: false)) }
        // Invariant 12: what is purged is nowhere.
        assert(partition.holdsNoPurgedTombstone, "no tombstone up to the floor is held")
        return true
    }

    /// Drops a purged tombstone. On disk it still hides older records.
    func dropPurged(_ partition: Partition, _ entry: Int) {
        let pointer = partition.index.pointer(entry)
        suppress(partition, pointer.pointee.segment, pointer.pointee.length)
        drop(partition, entry)
    }

    /// Counts a purged tombstone: nothing refers to it, but it must stay where it is.
    func suppress(_ partition: Partition, _ segment: UInt32, _ length: Int) {
        segments[segment]?.suppressors += length
        partition.suppressors[segment, default: 0] += length
    }

    // MARK: Wiping

    /// Forgets all that a partition holds, in one step. What there was counts until `discount` has come by.
    func forget(_ partition: Partition) {
        forgetSuppressors(partition)
        guard partition.index.extent > 0 else { return }
        forgotten.append(partition.clear(memory, isCounted: true))
    }

    /// True while forgotten records count as needed in their segments.
    var isDiscounting: Bool { !forgotten.isEmpty }

    /// Subtracts forgotten records from what is needed in segments, and removes their values from the cache.
    /// - Parameter work: how many entries may be looked at. What is left of it is left to the caller.
    /// - Returns: true if none is left of a partition that was wiped.
    func discount(_ work: inout Int) -> Bool {
        var isDone = false
        while work > 0, let index = forgotten.last {
            index.discount(&work) { pointer, entry in
                segments[pointer.pointee.segment]?.live -= pointer.pointee.length
                if pointer.pointee.cacheSlot != 0 { cache.remove(pointer.pointee.cacheSlot, of: entry) }
            }
            guard !index.isCounted else { break }
            forgotten.removeLast()
            spent.append(index)
            isDone = true
        }
        return isDone
    }

    func forEachForgotten(_ body: (IndexEntry) -> Void) { for index in forgotten { index.forEachCounted(body) } }

    private func forgetSuppressors(_ partition: Partition) {
        for (segment, bytes) in partition.suppressors { segments[segment]?.suppressors -= bytes }
        partition.suppressors = [:]
    }

    /// Forgets what recovery has found from before a partition's wipe, and its purged tombstones.
    private func wipe(_ partition: Partition) {
        forgetSuppressors(partition)
        let (index, wiped) = (partition.index.entries, partition.state.wiped)
        let keepsSome = index.contains {
            partition.index.isUsed($0) && partition.index.pointer($0).pointee.location >= wiped
        }
        for entry in index where partition.index.isUsed(entry) {
            let pointer = partition.index.pointer(entry)
            if keepsSome {
                if pointer.pointee.location < wiped { drop(partition, entry) }
            } else {
                segments[pointer.pointee.segment]?.live -= pointer.pointee.length
                uncache(pointer)
            }
        }
        if !keepsSome { spent.append(partition.clear(memory, isCounted: false)) }
        // Invariant 13: a copy is of one membership.
        assert(partition.holdsNothingWiped, "no record from before the wipe is held")
    }

    func uncache(_ pointer: UnsafeMutablePointer<IndexEntry>) {
        guard pointer.pointee.cacheSlot != 0 else { return }
        cache.remove(pointer.pointee.cacheSlot)
        pointer.pointee.cacheSlot = 0
    }

    func keep(_ record: Record, _ partition: Partition, _ entry: Int) {
        guard cache.limit > 0, let value = record.value else { return }
        let item = ValueCache.Value(
            value: value, contentType: record.contentType, partition: partition.id, index: partition.index.number,
            entry: entry)
        uncache(partition.index.pointer(entry))
        let slot = cache.insert(item) { evicted in
            // If not, the entry was forgotten.
            guard let holder = held(evicted.partition), holder.index.number == evicted.index else { return }
            holder.index.pointer(evicted.entry).pointee.cacheSlot = 0
        }
        partition.index.pointer(entry).pointee.cacheSlot = slot
    }

    /// Adds an entry that recovery found in the log, in any order of segments.
    /// - Parameter owner: The partition that has the record.
    func recover(_ entry: SidecarEntry, of owner: PartitionID, _ segment: Segment) {
        guard entry.kind != .state else { return recover(entry.state(), entry.splitCount, of: owner) }
        segment.total += entry.length
        // A partition that was never begun here has no records. Those in its slots were wiped, before the split.
        guard owner == entry.partition || existing(owner)?.hasState == true else { return }
        let partition = partition(owner)
        let location = Location(segment: segment.number, offset: entry.offset)
        // Wiped, as a segment that was read before has shown.
        guard location >= partition.state.wiped else { return }
        let key = entry.key
        let hash = KeyHash(key)
        let found = partition.index.find(key, hash)
        if let found, partition.index.pointer(found).pointee.version >= entry.version { return }
        _ = hold(
            partition, found, key, hash, entry.version, entry.expiry, location,
            RecordSize(length: entry.length, checksum: entry.checksum), isTombstone: entry.kind == .tombstone)
    }

    /// Adds a state that recovery found in the log, in any order.
    /// - Parameter splitCount: The number of partitions when it was written; 0 where nothing had been split.
    func recover(_ state: PartitionState, _ splitCount: Int, of id: PartitionID) {
        self.splitCount = max(self.splitCount, splitCount)
        let partition = partition(id)
        let wiped = partition.state.wiped
        partition.state.merge(state)
        if partition.state.wiped > wiped { wipe(partition) }
    }

    /// True when a record that the index does not refer to must stay on disk all the same: it is a purged tombstone,
    /// and an older segment may have records that it hides.
    func isSuppressor(_ view: RecordView, _ location: Location, _ partition: Partition) -> Bool {
        view.kind == .tombstone && location >= partition.state.wiped
            && segments.oldest.map { $0.number < location.segment } ?? false
    }
}
