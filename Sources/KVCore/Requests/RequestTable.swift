import DequeModule

/// The requests of this node's clients that are with other nodes, or wait until one is known to lead: found by the
/// numbers under which the others answer.
///
/// A slot map: a number has a slot and the slot's generation, so that finding a request takes no hash, and an answer
/// that comes too late finds nobody else.
struct RequestTable {
    private struct Slot {
        var generation: UInt64 = 0
        var request: Request?
        var isTaken = false
    }

    /// Slots are taken anew in turn, and from the beginning there are so many: a number comes again after thousands of
    /// millions of others.
    private static let smallest = 1024
    private static let indexBits: UInt64 = 17
    /// More than so many requests and questions cannot be told apart.
    static let maximum = 1 << 17
    private static let generationMask: UInt64 = (1 << 23) - 1

    private var slots: [Slot] = []
    private var free: Deque<Int> = []
    private let boot: UInt64
    private let shard: Int
    /// Requests in the table.
    private(set) var count = 0

    init(boot: UInt64, shard: Int) {
        self.boot = boot
        self.shard = shard
    }

    /// A number for a request, or, without one, for a question of the node's own; `remove` gives it back.
    mutating func insert(_ request: Request? = nil) -> RequestID {
        if free.isEmpty || slots.count < Self.smallest {
            free.append(slots.count)
            slots.append(Slot())
        }
        let index = free.removeFirst()
        assert(index < Self.maximum, "who fills the table keeps its limit")
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

    /// Nil for one that has been answered, or was never asked.
    subscript(_ id: RequestID) -> Request? { index(id).flatMap { slots[$0].request } }

    mutating func remove(_ id: RequestID) {
        guard let index = index(id) else { return }
        if slots[index].request != nil { count -= 1 }
        slots[index].request = nil
        slots[index].isTaken = false
        slots[index].generation = (slots[index].generation + 1) & Self.generationMask
        free.append(index)
    }

    /// All requests that `isWanted`, in the order in which they came.
    func filter(_ isWanted: (Request) -> Bool) -> [Request] {
        guard count > 0 else { return [] }
        return slots.compactMap { slot in slot.request.flatMap { isWanted($0) ? $0 : nil } }
            .sorted { $0.serial < $1.serial }
    }
}
