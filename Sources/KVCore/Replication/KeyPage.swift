/// Gathers the first keys of a listing out of a partition's keys in any order: a bounded heap, largest on top.
struct KeyPage {
    private typealias Entry = (slot: Slot, key: Key)

    private let query: ListQuery
    private let after: Entry?
    private var heap: [Entry] = []
    private var more = false

    init(_ query: ListQuery) {
        self.query = query
        after = query.after.map { ($0.slot, $0) }
    }

    private static func precedes(_ a: Entry, _ b: Entry) -> Bool { a.slot == b.slot ? a.key < b.key : a.slot < b.slot }

    mutating func offer(_ key: Key) {
        guard key.bytes.starts(with: query.prefix) else { return }
        let entry = (slot: key.slot, key: key)
        if let after, !Self.precedes(after, entry) { return }
        guard heap.count >= max(query.limit, 1) else {
            heap.append(entry)
            siftUp()
            return
        }
        more = true
        guard Self.precedes(entry, heap[0]) else { return }
        heap[0] = entry
        siftDown()
    }

    private mutating func siftUp() {
        var child = heap.count - 1
        while child > 0, case let parent = (child - 1) / 2, Self.precedes(heap[parent], heap[child]) {
            heap.swapAt(parent, child)
            child = parent
        }
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            var largest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if Self.precedes(heap[largest], heap[child]) { largest = child }
            }
            guard largest != parent else { return }
            heap.swapAt(parent, largest)
            parent = largest
        }
    }

    /// In ring order.
    var outcome: Outcome { .listed(keys: heap.sorted(by: Self.precedes).map { $0.key }, more: more) }
}
