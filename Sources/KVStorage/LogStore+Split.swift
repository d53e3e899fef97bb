import KVCore

// Splits of partitions: see Catalog+Split.swift.
//
// How far the store has carried them out is in every state that is appended: the number of partitions then. The next
// start goes by the highest of these numbers, and carries out the splits up to the number of the topology itself.

extension LogStore {
    package var slots: SlotMap { catalog.slots }

    /// Says which partition has which slots, where the node had no topology yet when the store was opened.
    package func begin(_ slots: SlotMap) {
        guard !knowsSlots else { return }
        assert(catalog.partitionLimit == 0, "a store without a topology holds nothing")
        knowsSlots = true
        catalog.use(slots)
        if catalog.isSplit { writer.endSegmentAtOnce() }
    }

    package func prepareSplits(to count: Int, work: inout Int) -> Bool { catalog.prepare(to: count, &work) }

    package func split() {
        guard let split = slots.next, let after = slots.afterNext else { return }
        // Earlier versions know nothing of splits. A segment of another format keeps them from opening the store, so
        // there is one before the first state that tells of a split.
        if !catalog.isSplit { writer.endSegmentAtOnce() }
        // Tombstones that are purged are of neither of the two.
        if let parent = catalog.existing(split.parent) { catalog.finishPurge(parent) }
        catalog.split(split, after)
        guard failure == nil, let child = catalog.existing(split.child), child.hasState else { return }
        append(child.state, split.child, to: openBatch())
    }

    /// Appends the states of partitions that were split off while the store was opened.
    /// - Parameter newestFormat: That of the newest segment; nil if there is none.
    func appendStates(of children: [PartitionID], newestFormat: UInt32?) {
        if catalog.isSplit, newestFormat != SegmentHeader.splitFormat { writer.endSegmentAtOnce() }
        for child in children {
            guard let partition = catalog.existing(child) else { continue }
            append(partition.state, child, to: openBatch())
        }
    }
}
