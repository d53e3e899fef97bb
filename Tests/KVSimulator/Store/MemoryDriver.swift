import KVCore

/// The disk under a `MemoryStore`. After a crash, the appends that were not synced are gone from some point on.
package final class MemoryDriver: StoreDriver {
    private var image: [PartitionID: MemoryStore.Contents] = [:]
    private var store: MemoryStore?
    private var committing: LogPosition?
    private var random: SeededRandom
    private let loadChance: Double

    package init(random: SeededRandom, loadChance: Double) {
        self.random = random
        self.loadChance = loadChance
    }

    package func start() -> MemoryStore {
        let store = MemoryStore(
            contents: image, random: SeededRandom(seed: random.next()), loadChance: loadChance)
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
        image[append.partition, default: MemoryStore.Contents()].apply(append)
    }
}
