import KVCore

/// A store that notes in the run's ledger what is put into it. It can be made full. With some mutants, it calls appends
/// durable that are not, or forgets promises.
package final class WatchedStore<Base: RecordStore>: RecordStore {
    let base: Base
    private let ledger: Ledger
    private let mutant: Mutant?
    /// The promises of this process. The mutant `forgetPromise` knows no others.
    private var promises: [PartitionID: Ballot] = [:]
    var isFull = false

    init(_ base: Base, ledger: Ledger, mutant: Mutant?) {
        self.base = base
        self.ledger = ledger
        self.mutant = mutant
    }

    package var appended: LogPosition { base.appended }
    package var durable: LogPosition { mutant == .acknowledgeUnsynced ? base.appended : base.durable }
    package var synced: LogPosition { mutant == .acknowledgeUnsynced ? base.appended : base.synced }
    package var acceptsWrites: Bool { !isFull && base.acceptsWrites }
    package var acceptsCopies: Bool { !isFull && base.acceptsCopies }

    package func head(_ partition: PartitionID, _ key: Key) -> RecordHead? { base.head(partition, key) }
    package func read(_ partition: PartitionID, _ key: Key) -> StoredRead { base.read(partition, key) }

    package func readAtOnce(_ partition: PartitionID, _ key: Key) -> StoredRead? { base.readAtOnce(partition, key) }

    package func readLater(_ partition: PartitionID, _ key: Key) -> StoredRead { base.readLater(partition, key) }

    package func put(_ partition: PartitionID, _ key: Key, _ record: Record) {
        ledger.stored(key, record, over: base.head(partition, key)?.version, isClients: key != Topology.key)
        base.put(partition, key, record)
    }

    package func restore(_ partition: PartitionID, _ key: Key, _ record: Record) -> Bool {
        guard base.restore(partition, key, record) else { return false }
        // The ledger checks that the version names the same value.
        ledger.stored(key, record, over: nil, isClients: key != Topology.key)
        return true
    }

    package func requireSync() { base.requireSync() }

    package func promise(_ partition: PartitionID) -> Ballot {
        mutant == .forgetPromise ? promises[partition] ?? .zero : base.promise(partition)
    }

    package func setPromise(_ partition: PartitionID, _ ballot: Ballot) {
        ledger.promised(partition, ballot, over: promise(partition))
        if mutant == .forgetPromise { promises[partition] = ballot }
        base.setPromise(partition, ballot)
    }

    package func tree(_ partition: PartitionID) -> HashTree { base.tree(partition) }

    package func forEach(_ partition: PartitionID, leaf: Int, _ body: (Key, RecordHead, _ checksum: UInt32) -> Void) {
        base.forEach(partition, leaf: leaf, body)
    }

    package func forEach(_ partition: PartitionID, _ body: (Key, RecordHead) -> Void) { base.forEach(partition, body) }
    package func usage(_ partition: PartitionID) -> PartitionUsage { base.usage(partition) }
    package func nextExpiry(_ partition: PartitionID) -> Expiry? { base.nextExpiry(partition) }

    package func forEachExpired(
        _ partition: PartitionID, at wall: UInt64, limit: Int, _ body: (Key, RecordHead) -> Void
    ) -> Int {
        base.forEachExpired(partition, at: wall, limit: limit, body)
    }

    package func membership(_ partition: PartitionID) -> Epoch { base.membership(partition) }

    package func wipe(_ partition: PartitionID, membership: Epoch) {
        let usage = base.usage(partition)
        ledger.wiped(
            partition, membership, over: base.membership(partition), records: usage.keys + usage.tombstones)
        base.wipe(partition, membership: membership)
    }

    package var slots: SlotMap { base.slots }

    package func prepareSplits(to count: Int, work: inout Int) -> Bool { base.prepareSplits(to: count, work: &work) }

    package func split() {
        if let split = slots.next, let promise = promises[split.parent] { promises[split.child] = promise }
        base.split()
    }

    package func purgeFloor(_ partition: PartitionID) -> Version { base.purgeFloor(partition) }

    package func setPurgeFloor(_ partition: PartitionID, _ floor: Version) {
        let before = visible(partition)
        base.setPurgeFloor(partition, floor)
        let after = visible(partition)
        ledger.purged(partition, tombstones: before.tombstones - after.tombstones, keys: before.keys - after.keys)
    }

    package func isPurging(_ partition: PartitionID) -> Bool { base.isPurging(partition) }

    /// What the store shows: it may count purged tombstones for some time.
    private func visible(_ partition: PartitionID) -> PartitionUsage {
        var usage = PartitionUsage()
        base.forEach(partition) { _, head in
            if head.isTombstone { usage.tombstones += 1 } else { usage.keys += 1 }
        }
        return usage
    }
}
