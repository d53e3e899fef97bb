import DequeModule

/// The requests of this node's clients that other nodes have, or that wait for a leader. They are found by the numbers
/// under which other nodes answer.
///
/// The table is a slot map. A number consists of a slot and the slot's generation. So finding a request needs no hash,
/// and a late answer does not find another request.
struct RequestTable {
    private struct Slot {
        var generation: UInt64 = 0
        var request: Request?
        var isTaken = false
    }

    /// The table has at least this many slots, and free slots are taken in turn, so that a number is used again only
    /// after thousands of millions of others.
    private static let smallest = 1024
    private static let indexBits: UInt64 = 17
    /// The largest number of requests, and of questions of the node's own, that can be told apart.
    static let maximum = 1 << 17
    private static let generationMask: UInt64 = (1 << 23) - 1

    private var slots: [Slot] = []
    private var free: Deque<Int> = []
    private let boot: UInt64
    private let shard: Int
    /// The number of requests in the table.
    private(set) var count = 0

    init(boot: UInt64, shard: Int) {
        self.boot = boot
        self.shard = shard
    }

    /// Takes a number for a request, or for a question of the node's own if there is no request. `remove` gives the
    /// number back.
    mutating func insert(_ request: Request? = nil) -> RequestID {
        if free.isEmpty || slots.count < Self.smallest {
            free.append(slots.count)
            slots.append(Slot())
        }
        let index = free.removeFirst()
        assert(index < Self.maximum, "the shard keeps to the table's limit")
        slots[index].request = request
        slots[index].isTaken = true
        if request != nil { count += 1 }
        let count = slots[index].generation << Self.indexBits | UInt64(index)
        return RequestID(boot: boot, count: count, shard: shard)
    }

    private func index(_ id: RequestID) -> Int? {
        let index = Int(id.count & (1 << Self.indexBits - 1))
        guard index < slots.count, slots[index].isTaken,
            id
                == RequestID(
                    boot: boot, count: slots[index].generation << Self.indexBits | UInt64(index), shard: shard)
        else { return nil }
        return index
    }

    /// Returns nil for a number that has been given back or was never taken, and for a question of the node's own.
    subscript(_ id: RequestID) -> Request? { index(id).flatMap { slots[$0].request } }

    mutating func remove(_ id: RequestID) {
        guard let index = index(id) else { return }
        if slots[index].request != nil { count -= 1 }
        slots[index].request = nil
        slots[index].isTaken = false
        slots[index].generation = (slots[index].generation + 1) & Self.generationMask
        free.append(index)
    }

    /// All requests for which `isWanted` is true, in the order in which they came.
    func filter(_ isWanted: (Request) -> Bool) -> [Request] {
        guard count > 0 else { return [] }
        return slots.compactMap { slot in slot.request.flatMap { isWanted($0) ? $0 : nil } }
            .sorted { $0.serial < $1.serial }
    }
}
