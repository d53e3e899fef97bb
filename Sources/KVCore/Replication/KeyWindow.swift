/// A run of a partition's keys in ring order, which its leader keeps while a listing goes through it. So a page costs
/// what it returns, and not a look at every key of the partition.
///
/// The window holds every key of its run that is there, because each key that is proposed is added. It may also hold
/// keys that are no longer there, so each key is looked up before it is listed. (The store's index has no order, so
/// that keys which nobody lists cost nothing more.)
struct KeyWindow {
    let prefix: [UInt8]
    /// The window begins after this key; nil if it begins with the partition's first.
    let after: RingEntry?
    /// The keys, in ring order.
    private(set) var entries: [RingEntry]
    /// The last key of the run; nil if it reaches to the partition's end.
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

    /// True if it holds the keys that follow the query's key.
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

    /// Adds a key that has been proposed.
    ///
    /// - Parameter limit: When there are more than twice this many keys, only the first `limit` are kept.
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

    /// Removes keys that are not there any more, by index, ascending.
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

    /// The index at which an entry is, or would be inserted.
    private func place(of entry: RingEntry) -> Int {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle] < entry { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
