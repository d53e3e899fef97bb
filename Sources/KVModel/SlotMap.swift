/// Which partition has which slots, from the number of partitions that a cluster was created with and the splits since.
///
/// Partitions are split in a fixed order, as the buckets of linear hashing are (Litwin, "Linear Hashing: A New Tool for
/// File and Table Addressing", 1980): all partitions of one width once, from the first to the last, before any is split
/// again. So two numbers say everything, and all nodes that know them agree. A split leaves the lower half of the slots
/// with the partition, and gives the upper half to a new one.
///
/// **Numbers.** A partition keeps its number for good. The partitions that a cluster was created with are
/// `0 ..< founding`, and `founding` itself is the metadata partition. Partitions that splits have made follow it. A
/// partition's *place* is its number without regard to the metadata partition, `0 ..< count`.
package struct SlotMap: Hashable, Sendable {
    /// The number of partitions that the cluster was created with: a power of two, `1 ... Slot.count`.
    package let founding: Int
    /// The number of partitions now, `founding ... Slot.count`.
    package let count: Int

    // What follows from these two.
    /// The slots of a partition that the cluster was created with are `1 << width`.
    @usableFromInline let width: Int
    /// How often every partition has been split.
    @usableFromInline let level: Int
    /// The partitions of the places below have been split once more.
    @usableFromInline let pointer: Int

    /// Whether so many partitions can have equally many slots: it is a power of two, `1 ... Slot.count`.
    package static func dividesEqually(into count: Int) -> Bool {
        (1...Slot.count).contains(count) && count & (count - 1) == 0
    }

    /// - Returns: Nil unless both numbers are in their ranges.
    package init?(founding: Int, count: Int) {
        guard Self.dividesEqually(into: founding), (founding...Slot.count).contains(count) else { return nil }
        self.init(validFounding: founding, count: count)
    }

    /// The slots of a cluster in which nothing has been split.
    /// - Parameter founding: A power of two, `1 ... Slot.count`. Any other number counts as 1.
    package init(founding: Int) {
        let isValid = Self.dividesEqually(into: founding)
        self.init(validFounding: isValid ? founding : 1, count: isValid ? founding : 1)
    }

    private init(validFounding founding: Int, count: Int) {
        self.founding = founding
        self.count = count
        width = (Slot.count / founding).trailingZeroBitCount
        level = (Int.bitWidth - 1 - (count / founding).leadingZeroBitCount)
        pointer = count - founding << level
    }

    // MARK: Slots

    /// The partition that has a slot.
    @inlinable
    package func partition(of slot: Slot) -> PartitionID {
        let place = Int(slot.raw) >> width
        return PartitionID(UInt16(truncatingIfNeeded: count == founding ? place : number(of: split(place, slot))))
    }

    /// The partition that has the slot among those that have come of the partition at a place.
    @usableFromInline
    func split(_ place: Int, _ slot: Slot) -> Int {
        var place = place
        var bit = founding
        var shift = width - 1
        for _ in 0..<level {
            if Int(slot.raw) >> shift & 1 == 1 { place |= bit }
            bit <<= 1
            shift -= 1
        }
        // (Where all partitions have one slot, the pointer is 0.)
        if place < pointer, Int(slot.raw) >> shift & 1 == 1 { place |= bit }
        return place
    }

    /// The slots of a partition; nil where there is no such partition, and for the metadata partition.
    package func slots(of partition: PartitionID) -> ClosedRange<Slot>? {
        guard let place = place(of: partition) else { return nil }
        let depth = level + (place < pointer || place >= founding << level ? 1 : 0)
        var first = (place % founding) << width
        for bit in 0..<depth where (place / founding) >> bit & 1 == 1 { first |= 1 << (width - 1 - bit) }
        return Slot(
            UInt16(truncatingIfNeeded: first))...Slot(UInt16(truncatingIfNeeded: first + 1 << (width - depth) - 1))
    }

    // MARK: Partitions

    /// The number of the metadata partition, which has no slots.
    package var metadataPartition: PartitionID { PartitionID(UInt16(truncatingIfNeeded: founding)) }

    /// A number above those of all partitions, the metadata partition's included.
    package var limit: Int { count + 1 }

    /// The place of a partition; nil where there is no such partition, and for the metadata partition.
    package func place(of partition: PartitionID) -> Int? {
        let number = Int(partition.raw)
        if number < founding { return number }
        return number > founding && number <= count ? number - 1 : nil
    }

    /// The partition at a place, `0 ..< Slot.count`. It may have yet to be made by a split.
    @inlinable
    package func partition(at place: Int) -> PartitionID {
        PartitionID(UInt16(truncatingIfNeeded: number(of: place)))
    }

    @usableFromInline
    func number(of place: Int) -> Int { place < founding ? place : place + 1 }

    /// The partitions that have slots, ascending.
    package var partitions: some RandomAccessCollection<PartitionID> { (0..<count).lazy.map { partition(at: $0) } }

    /// The partition of those that the cluster was created with which a partition has come of. It is known before the
    /// partition is. Of the metadata partition it is itself.
    @inlinable
    package func ancestor(of partition: PartitionID) -> PartitionID {
        let number = Int(partition.raw)
        return number <= founding ? partition : PartitionID(UInt16(truncatingIfNeeded: (number - 1) % founding))
    }

    /// The shard that has a partition, of a node with `count` shards: a partition that a split has made stays in the
    /// shard of the one it has come of, because its records are in that shard's store.
    @inlinable
    package func shard(of partition: PartitionID, among count: Int) -> Int {
        count == 1 ? 0 : Int(ancestor(of: partition).raw) % count
    }

    /// The partition that a split has made, or is to make, another of; nil where the cluster was created with it.
    package func parent(of partition: PartitionID) -> PartitionID? {
        let place = Int(partition.raw) - 1
        guard place >= founding else { return nil }
        // Without the highest of the bits above those that the cluster was created with.
        return self.partition(at: place & ~(1 << (Int.bitWidth - 1 - place.leadingZeroBitCount)))
    }

    // MARK: Splits

    /// One partition gives the upper half of its slots to a new one.
    package struct Split: Hashable, Sendable {
        package let parent: PartitionID
        package let child: PartitionID
    }

    /// The split that comes next; nil where every partition has one slot.
    package var next: Split? {
        guard count < Slot.count else { return nil }
        return Split(parent: partition(at: pointer), child: partition(at: count))
    }

    /// The slots after the next split.
    package var afterNext: SlotMap? { count < Slot.count ? SlotMap(founding: founding, count: count + 1) : nil }

    /// How many partitions there are when each of the present ones has been split once at most.
    package var endOfRound: Int { min(founding << (level + 1), Slot.count) }

    /// The splits that lead from here to as many partitions, in their order.
    package func splits(to count: Int) -> [Split] {
        var splits: [Split] = []
        var map = self
        while map.count < count, let split = map.next, let after = map.afterNext {
            splits.append(split)
            map = after
        }
        return splits
    }
}
