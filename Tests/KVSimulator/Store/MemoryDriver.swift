import KVCore

/// The disk under a `MemoryStore`. After a crash, the appends that were not synced are gone from some point on.
package final class MemoryDriver: StoreDriver {
    private var image: [PartitionID: MemoryStore.Contents] = [:]
    /// The number of partitions, as far as the image has been split; 0 before the first split.
    private var count = 0
    private var store: MemoryStore?
    private var committing: LogPosition?
    private var random: SeededRandom
    private let loadChance: Double

    package init(random: SeededRandom, loadChance: Double) {
        self.random = random
        self.loadChance = loadChance
    }

    /// Puts a partition's records on the disk before the first process starts.
    package func preload(_ partition: PartitionID, membership: Epoch, _ records: [Key: Record]) {
        image[partition] = MemoryStore.Contents(records: records, membership: membership)
    }

    /// A store that has been split less often than the topology carries out the rest at once, as its first appends.
    package func start(_ slots: SlotMap = SlotMap(founding: 1)) -> MemoryStore {
        let count = max(count, slots.founding)
        assert(count <= slots.count, "a topology is on disk before a store is split for it")
        let store = MemoryStore(
            contents: image, slots: SlotMap(founding: slots.founding, count: count) ?? slots,
            random: SeededRandom(seed: random.next()), loadChance: loadChance)
        while store.slots.count < slots.count { store.split() }
        self.store = store
        return store
    }

    package func beginCommit() -> Bool {
        guard let store, committing == nil, store.appended > store.durable else { return false }
        committing = store.appended
        return true
    }

    package func finishCommit() {
        guard let store, let position = committing else { return }
        committing = nil
        for append in store.synced(to: position) { apply(append) }
    }

    package func read(_ ticket: ReadTicket) -> LoadedValue { store?.redeem(ticket).map(LoadedValue.record) ?? .gone }

    package func crash(outage: Bool) {
        if let store {
            let surviving = random.below(store.unsynced.count + 1)
            for append in store.unsynced.prefix(surviving) { apply(append) }
        }
        store = nil
        committing = nil
    }

    private func apply(_ append: MemoryStore.Append) {
        MemoryStore.apply(append, to: &image)
        if case .split(_, let after) = append { count = after.count }
    }
}
