/// A key in ring order: by slot, then bytewise.
struct RingEntry: Comparable {
    let slot: Slot
    let key: Key

    init(_ key: Key) {
        slot = key.slot
        self.key = key
    }

    static func < (a: Self, b: Self) -> Bool { a.slot == b.slot ? a.key < b.key : a.slot < b.slot }
}

/// Gathers the first keys of a listing from a partition's keys, which may come in any order. It is a bounded heap with
/// the largest key on top.
struct KeyPage {
    let prefix: [UInt8]
    /// The page begins after this key; nil if it begins with the first.
    let after: RingEntry?
    private let limit: Int
    private let byteLimit: Int
    private var heap: [RingEntry] = []
    private var bytes = 0
    /// True if keys were left out that come after all that are held.
    private(set) var hasMore = false

    /// Makes an empty page.
    ///
    /// - Parameters:
    ///   - limit: The largest number of keys, at least 1.
    ///   - bytes: The largest size of all keys together. One key is held in any case.
    init(prefix: [UInt8], after: Key?, limit: Int, bytes: Int = .max) {
        self.prefix = prefix
        self.after = after.map(RingEntry.init)
        self.limit = max(limit, 1)
        byteLimit = bytes
    }

    /// Takes a key if it belongs to the page. A key may be offered more than once.
    mutating func offer(_ key: Key) {
        guard key.bytes.starts(with: prefix) else { return }
        let entry = RingEntry(key)
        if let after, entry <= after { return }
        if hasMore, let last = heap.first, entry > last { return }
        heap.append(entry)
        bytes += key.bytes.count
        siftUp()
        while heap.count > limit || bytes > byteLimit && heap.count > 1 { dropLast() }
    }

    private mutating func dropLast() {
        hasMore = true
        heap.swapAt(0, heap.count - 1)
        bytes -= heap.removeLast().key.bytes.count
        siftDown()
    }

    private mutating func siftUp() {
        var child = heap.count - 1
        while child > 0, case let parent = (child - 1) / 2, heap[parent] < heap[child] {
            heap.swapAt(parent, child)
            child = parent
        }
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            var largest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[largest] < heap[child] { largest = child }
            }
            guard largest != parent else { return }
            heap.swapAt(parent, largest)
            parent = largest
        }
    }

    /// The keys in ring order, each once.
    var entries: [RingEntry] {
        var entries = heap.sorted()
        var last: RingEntry?
        entries.removeAll { entry in
            defer { last = entry }
            return entry == last
        }
        return entries
    }
}
