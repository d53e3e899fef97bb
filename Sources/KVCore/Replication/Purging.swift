// Forgetting tombstones that every replica holds.

extension Replica {
    /// Everything up to `floor` was at every replica once, by the word of the leader that chose it.
    func raiseFloor(to floor: Version) {
        guard floor > context.store.purgeFloor(partition) else { return }
        context.store.setPurgeFloor(partition, floor)
        lastAppend = context.store.appended
    }

    func receivePurge(_ header: PartitionHeader, floor: Version, from node: NodeNumber) {
        guard admits(header, from: node), obeys(header, from: node) else { return }
        raiseFloor(to: floor)
    }
}
