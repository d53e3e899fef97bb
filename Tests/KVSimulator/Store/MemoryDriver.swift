import KVCore

/// The disk under the `MemoryStore`s of a node. After a crash, the appends to each that were not synced are gone from
/// some point on.
package final class MemoryDriver: StoreDriver {
    /// The part of the disk under one store.
    private struct Part {
        var image: [PartitionID: MemoryStore.Contents] = [:]
        /// The number of partitions, as far as the image has been split; 0 before the first split.
        var count = 0
        var store: MemoryStore?
        var committing: LogPosition?

        mutating func apply(_ append: MemoryStore.Append) {
            MemoryStore.apply(append, to: &image)
            if case .split(_, let after) = append { count = after.count }
        }
    }

    private var parts: [Part]
    private var random: SeededRandom
    private let loadChance: Double

    package init(random: SeededRandom, loadChance: Double, shards: Int = 1) {
        self.random = random
        self.loadChance = loadChance
        parts = Array(repeating: Part(), count: shards)
    }

    /// Puts a partition's records on the disk before the first process starts.
    package func preload(_ partition: PartitionID, membership: Epoch, _ records: [Key: Record], shard: Int = 0) {
        parts[shard].image[partition] = MemoryStore.Contents(records: records, membership: membership)
    }

    package func start(_ slots: SlotMap = SlotMap(founding: 1)) -> [MemoryStore] {
        parts.indices.map { start(shard: $0, slots) }
    }

    /// A store that has been split less often than the topology carries out the rest at once, as its first appends.
    private func start(shard: Int, _ slots: SlotMap) -> MemoryStore {
        let count = max(parts[shard].count, slots.founding)
        assert(count <= slots.count, "a topology is on disk before a store is split for it")
        let store = MemoryStore(
            contents: parts[shard].image, slots: SlotMap(founding: slots.founding, count: count) ?? slots,
            random: SeededRandom(seed: random.next()), loadChance: loadChance)
        while store.slots.count < slots.count { store.split() }
        parts[shard].store = store
        return store
    }

    package func beginCommit(shard: Int = 0) -> Bool {
        guard let store = parts[shard].store, parts[shard].committing == nil, store.appended > store.durable else {
            return false
        }
        parts[shard].committing = store.appended
        return true
    }

    package func finishCommit(shard: Int = 0) {
        guard let store = parts[shard].store, let position = parts[shard].committing else { return }
        parts[shard].committing = nil
        for append in store.synced(to: position) { parts[shard].apply(append) }
    }

    package func read(_ ticket: ReadTicket, shard: Int = 0) -> LoadedValue {
        parts[shard].store?.redeem(ticket).map(LoadedValue.record) ?? .gone
    }

    package func crash(outage: Bool) {
        for shard in parts.indices {
            if let store = parts[shard].store {
                let surviving = random.below(store.unsynced.count + 1)
                for append in store.unsynced.prefix(surviving) { parts[shard].apply(append) }
            }
            parts[shard].store = nil
            parts[shard].committing = nil
        }
    }
}
