/// A stretch of a partition's keys in ring order, kept by its leader while a listing goes through it: a page costs what
/// it returns, and not a look at every key of the partition.
///
/// It holds every key of the stretch that is there, as each that is proposed is added to it; and some that are not any
/// more, so each is looked up before it is told. (The index has no order of its own, and keeps none for keys that
/// nobody lists.)
struct KeyWindow {
    let prefix: [UInt8]
    /// It begins after this key; nil: with the partition's first.
    let after: RingEntry?
    /// In ring order.
    private(set) var entries: [RingEntry]
    /// The last of the stretch; nil where it reaches to the partition's end.
    private(set) var end: RingEntry?
    /// When it was last used.
    var used: Instant

    init(_ page: KeyPage, now: Instant) {
        prefix = page.prefix
        after = page.after
        entries = page.entries
        end = page.hasMore ? entries.last : nil
        used = now
    }

    /// Whether it holds what follows a query's key.
    func covers(_ query: ListQuery) -> Bool {
        guard prefix == query.prefix else { return false }
        guard let key = query.after else { return after == nil }
        let place = RingEntry(key)
        return (after.map { $0 <= place } ?? true) && (end.map { place < $0 } ?? true)
    }

    /// The index of the first entry after a key.
    func index(after key: Key?) -> Int {
        guard let key else { return 0 }
        let index = place(of: RingEntry(key))
        return index < entries.count && entries[index].key == key ? index + 1 : index
    }

    /// A key has been proposed.
    mutating func add(_ key: Key, limit: Int) {
        guard key.bytes.starts(with: prefix) else { return }
        let entry = RingEntry(key)
        if let after, entry <= after { return }
        if let end, entry > end { return }
        let index = place(of: entry)
        guard index == entries.count || entries[index] != entry else { return }
        entries.insert(entry, at: index)
        guard entries.count > 2 * limit else { return }
        entries.removeSubrange(limit...)
        end = entries.last
    }

    /// Forgets keys that are not there any more.
    mutating func remove(_ indices: [Int]) {
        guard !indices.isEmpty else { return }
        var gone = indices[...]
        var index = 0
        entries.removeAll { _ in
            defer { index += 1 }
            guard gone.first == index else { return false }
            gone.removeFirst()
            return true
        }
    }

    /// Where an entry is, or would be.
    private func place(of entry: RingEntry) -> Int {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle] < entry { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
