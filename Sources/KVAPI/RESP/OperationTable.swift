import KVCore

/// The requests on keys that a connection has under way. Those on different keys go on side by side; of those on one
/// key, a later waits for an earlier where one of them changes it: a client's commands take effect in its order, and a
/// change of leaders could reorder what is on its way. Plain writes of a key that have waited together go as the last
/// of them, and additions as their sum: it is what is left when they take effect one after another with nothing
/// between.
///
/// A request has the token of its slot. What waits, waits in the slots: each has the number of the next.
struct OperationTable {
    struct Operation {
        /// As the client sent it.
        fileprivate(set) var request: Request
        /// What the request's command is; asked several times.
        let isWrite: Bool
        /// The place of the reply among the connection's.
        let sequence: UInt64
        /// The part of a command on several keys.
        let part: Int
        let expectation: RESPExpectation
        /// What its reply is expected to take, as `RESPRoom` counts it. Bytes.
        fileprivate(set) var counted: Int
        /// Not to go with others.
        fileprivate var isSingle = false
        /// The next that waits for the same key, or that goes with this one.
        fileprivate var next = none

        init(_ request: Request, sequence: UInt64, part: Int, expectation: RESPExpectation, counted: Int) {
            self.request = request
            isWrite = !request.command.isRead
            self.sequence = sequence
            self.part = part
            self.expectation = expectation
            self.counted = counted
        }

        /// Its place among the keys under way: never 0.
        fileprivate var place: UInt64 { max(request.hash.low, 1) }
    }

    /// One key, by its hash: two of one hash only wait for each other without need.
    private struct Place {
        /// 0: free.
        var hash: UInt64 = 0
        var reads: Int32 = 0
        var writes: Int32 = 0
        /// The queue of those that wait.
        var first = none
        var last = none
    }

    private static let none = -1

    /// By token; nil where a slot is free.
    private var operations: [Operation?] = []
    private var free: [Int] = []
    /// Open addressing, at most half full; a power of two.
    private var places = Array(repeating: Place(), count: 32)
    private var used = 0
    private var released: [Request] = []

    private(set) var count = 0
    /// Bytes of their keys and values.
    private(set) var bytes = 0

    /// The token that the next request to `begin` must have.
    var nextToken: Int { free.last ?? operations.count }

    /// Takes a request in, which has `nextToken`.
    /// - Returns: false where it has to wait; it comes out of `takeReleased` then.
    mutating func begin(_ operation: Operation) -> Bool {
        let token = take(operation)
        count += 1
        bytes += operation.request.bytes
        let index = place(of: operation.place)
        if places[index].hash == 0 {
            places[index].hash = operation.place
            used += 1
        }
        let isFree = places[index].first == Self.none && places[index].writes == 0
        if isFree, !operation.isWrite || places[index].reads == 0 {
            enter(index, operation.isWrite)
            if used * 2 > places.count { grow() }
            return true
        }
        if places[index].last == Self.none {
            places[index].first = token
        } else {
            operations[places[index].last]?.next = token
        }
        places[index].last = token
        return false
    }

    /// What additions that went together have come to, one after another; nothing where they go one by one now, and nil
    /// of a token that stands for no others, or for what has ended alike.
    mutating func sums(of token: Int, _ outcome: Outcome) -> [Int64]? {
        guard standsForOthers(token), let first = underWay(token), first.request.command.addition != nil else {
            return nil
        }
        if case .updated(_, .misfit(.overflow)) = outcome {
            // None of them has been carried out, and the first may fit.
            separate(first, token)
            return []
        }
        guard case .updated(_, .applied(.integer(var value))) = outcome else { return nil }
        var addends: [Int64] = []
        var next = token
        while let operation = underWay(next) {
            addends.append(operation.request.command.addition?.addend ?? 0)
            next = operation.next
        }
        for addend in addends { value &-= addend }
        return addends.map { addend in
            value &+= addend
            return value
        }
    }

    private func standsForOthers(_ token: Int) -> Bool {
        guard operations.indices.contains(token), let next = operations[token]?.next else { return false }
        return next != Self.none
    }

    /// Lets additions go one by one that have not gone together: the first now, the others before all that waits.
    private mutating func separate(_ first: Operation, _ token: Int) {
        let index = place(of: first.place)
        var last = first.next
        operations[last]?.isSingle = true
        while let next = operations[last]?.next, next != Self.none {
            last = next
            operations[last]?.isSingle = true
        }
        operations[last]?.next = places[index].first
        if places[index].first == Self.none { places[index].last = last }
        places[index].first = first.next
        operations[token]?.next = Self.none
        released.append(first.request)
    }

    /// The operation of a token. Nil for a token that is not under way.
    func underWay(_ token: Int) -> Operation? { operations.indices.contains(token) ? operations[token] : nil }

    /// A read that has ended is to be carried out again when there is room, and its reply is now known to take so many
    /// bytes. What it has brought is dropped.
    mutating func putAside(_ token: Int, counted: Int) {
        guard let operation = underWay(token) else { return }
        operations[token]?.request = operation.request.again(allowance: RESPRoom.allowance(counted: counted))
        operations[token]?.counted = counted
    }

    /// The command of a token has been answered. Nil for a token that is not under way.
    mutating func end(_ token: Int) -> Operation? {
        guard let operation = release(token) else { return nil }
        let index = place(of: operation.place)
        if operation.isWrite { places[index].writes -= 1 } else { places[index].reads -= 1 }
        assert(places[index].reads >= 0 && places[index].writes >= 0, "what ends has been begun")
        if places[index].first != Self.none { letGo(index) }
        if places[index].reads == 0, places[index].writes == 0 { remove(index) }
        return operation
    }

    /// The next of those that went with one that has ended. Nil after the last.
    mutating func endNext(after operation: Operation) -> Operation? { release(operation.next) }

    /// Its token may be used again.
    private mutating func release(_ token: Int) -> Operation? {
        guard let operation = underWay(token) else { return nil }
        operations[token] = nil
        free.append(token)
        count -= 1
        bytes -= operation.request.bytes
        return operation
    }

    /// What may go now.
    mutating func takeReleased() -> Request? { released.popLast() }

    private mutating func take(_ operation: Operation) -> Int {
        let token = nextToken
        assert(operation.request.token == UInt64(token), "a request is found by its token")
        if free.popLast() != nil { operations[token] = operation } else { operations.append(operation) }
        return token
    }

    private mutating func enter(_ index: Int, _ isWrite: Bool) {
        if isWrite { places[index].writes += 1 } else { places[index].reads += 1 }
    }

    /// Lets go what waits at a place, as far as it may.
    private mutating func letGo(_ index: Int) {
        while case let token = places[index].first, let operation = underWay(token) {
            guard places[index].writes == 0, !operation.isWrite || places[index].reads == 0 else { return }
            dequeue(token, at: index)
            enter(index, operation.isWrite)
            released.append(join(token, operation, at: index))
        }
    }

    /// Takes from the queue what goes with a request, and comes right after it; gives what stands for all.
    private mutating func join(_ token: Int, _ operation: Operation, at index: Int) -> Request {
        let request = operation.request
        if request.command.addition != nil, !operation.isSingle { return add(token, request, at: index) }
        guard request.command.isPlainWrite else { return request }
        var (last, result) = (token, request)
        while let (next, other) = first(at: index, of: request.key), other.request.command.isPlainWrite {
            dequeue(next, at: index)
            // The last one stands for all, so the others go behind it.
            operations[next]?.next = last
            (last, result) = (next, other.request)
        }
        return result
    }

    /// The same of additions, of one sign: where their sum is within bounds, so is every sum on the way to it.
    private mutating func add(_ token: Int, _ request: Request, at index: Int) -> Request {
        var sum = request.command
        var last = token
        while let (next, other) = first(at: index, of: request.key), !other.isSingle,
            let longer = sum.adding(other.request.command)
        {
            dequeue(next, at: index)
            operations[last]?.next = next
            (last, sum) = (next, longer)
        }
        return last == token ? request : request.again(sum)
    }

    /// The first that waits at a place, if it is of this key.
    private func first(at index: Int, of key: Key) -> (token: Int, operation: Operation)? {
        let token = places[index].first
        guard let waiting = underWay(token), waiting.request.key == key else { return nil }
        return (token, waiting)
    }

    /// Takes the first of a queue out of it.
    private mutating func dequeue(_ token: Int, at index: Int) {
        places[index].first = operations[token]?.next ?? Self.none
        if places[index].first == Self.none { places[index].last = Self.none }
        operations[token]?.next = Self.none
    }
    // MARK: Places

    /// Where a hash is, or would be.
    private func place(of hash: UInt64) -> Int {
        let mask = places.count - 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while places[index].hash != 0, places[index].hash != hash { index = (index + 1) & mask }
        return index
    }

    /// Frees a place, and moves those behind it that would not be found any more.
    private mutating func remove(_ index: Int) {
        let mask = places.count - 1
        var hole = index
        var next = (hole + 1) & mask
        while places[next].hash != 0 {
            let home = Int(truncatingIfNeeded: places[next].hash) & mask
            // It stays where its home is between the hole and it.
            if (next &- home) & mask >= (next &- hole) & mask {
                places[hole] = places[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        places[hole] = Place()
        used -= 1
    }

    private mutating func grow() {
        let old = places
        places = Array(repeating: Place(), count: old.count * 2)
        for place in old where place.hash != 0 { places[self.place(of: place.hash)] = place }
    }
}

extension Command {
    /// Whether it leaves the same behind whatever was there, and tells nothing of it.
    fileprivate var isPlainWrite: Bool {
        if case .put(let put) = self { put.condition == .always } else { false }
    }

    /// What an addition to an integer adds, and the rest of it.
    fileprivate var addition: (addend: Int64, update: Update)? {
        guard case .update(let update) = self, case .add(let addend) = update.change else { return nil }
        return (addend, update)
    }

    /// What comes to the same as this addition and then another; nil where nothing does, or their signs differ.
    fileprivate func adding(_ other: Command) -> Command? {
        guard let (addend, update) = addition, let (more, alike) = other.addition, (addend < 0) == (more < 0)
        else { return nil }
        let (sum, overflow) = addend.addingReportingOverflow(more)
        var (result, expected) = (update, alike)
        result.change = .add(sum)
        expected.change = .add(sum)
        return overflow || result != expected ? nil : .update(result)
    }
}
