import KVCore

/// The requests on keys that a connection has under way, and those that wait for them.
///
/// Requests on different keys are executed side by side. Of two requests on one key, the later waits for the earlier if
/// one of them changes the key. So a client's commands take effect in its order, which a change of leaders could
/// otherwise reverse. Plain writes of a key that have waited together are executed as the last of them, and additions
/// as their sum: the result is the same as of one after another with nothing between.
///
/// The token of a request is the number of its slot. Each slot has the number of the next that waits for the same key.
struct OperationTable {
    struct Operation {
        /// The request as the client sent it.
        fileprivate(set) var request: Request
        /// Whether the request's command changes the key.
        let isWrite: Bool
        /// The place of the reply among the connection's.
        let sequence: UInt64
        /// The part of a command on several keys.
        let part: Int
        let expectation: RESPExpectation
        /// The expected size of its reply, as `ReplyRoom` counts it. Bytes.
        fileprivate(set) var counted: Int
        /// Whether it must not be executed together with others.
        fileprivate var isSingle = false
        /// The next slot that waits for the same key, or that is executed together with this one.
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

    /// One key, known by its hash. If two keys have the same hash, their requests wait for each other without need.
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

    /// The slots, by token; nil where one is free.
    private var operations: [Operation?] = []
    private var free: [Int] = []
    /// Open addressing, at most half full; a power of two.
    private var places = Array(repeating: Place(), count: 32)
    private var used = 0
    private var released: [Request] = []

    private(set) var count = 0
    /// Bytes of the keys and values of all requests.
    private(set) var bytes = 0

    /// The token that the next request to `begin` must have.
    var nextToken: Int { free.last ?? operations.count }

    /// Takes in a request whose token is `nextToken`.
    /// - Returns: false if it has to wait; `takeReleased` returns it later.
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

    /// The results of additions that were executed together, one after another. Empty if their sum did not fit: they
    /// are executed one by one now. Nil for a token that stands for no others, or for requests that have ended alike.
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

    /// Separates additions that could not be executed together: the first is executed now, the others before all that
    /// waits.
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

    /// The operation of a token, or nil if the token is not in use.
    func underWay(_ token: Int) -> Operation? { operations.indices.contains(token) ? operations[token] : nil }

    /// Replaces a read that has ended by one that is to be executed when there is room for its value.
    /// - Parameter counted: the size of the value, now that it is known. Bytes.
    mutating func putAside(_ token: Int, counted: Int) {
        guard let operation = underWay(token) else { return }
        operations[token]?.request = operation.request.again(allowance: ReplyRoom.allowance(counted: counted))
        operations[token]?.counted = counted
    }

    /// Ends the operation of a token, which has been answered. Returns nil if the token is not in use.
    mutating func end(_ token: Int) -> Operation? {
        guard let operation = release(token) else { return nil }
        let index = place(of: operation.place)
        if operation.isWrite { places[index].writes -= 1 } else { places[index].reads -= 1 }
        assert(places[index].reads >= 0 && places[index].writes >= 0, "what ends has been begun")
        if places[index].first != Self.none { letGo(index) }
        if places[index].reads == 0, places[index].writes == 0 { remove(index) }
        return operation
    }

    /// Ends the next of the operations that were executed together. Returns nil after the last.
    mutating func endNext(after operation: Operation) -> Operation? { release(operation.next) }

    /// Frees a slot; its token may be used again.
    private mutating func release(_ token: Int) -> Operation? {
        guard let operation = underWay(token) else { return nil }
        operations[token] = nil
        free.append(token)
        count -= 1
        bytes -= operation.request.bytes
        return operation
    }

    /// Takes a request that has waited and may be executed now.
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

    /// Releases the requests that wait at a place, as far as they may be executed.
    private mutating func letGo(_ index: Int) {
        while case let token = places[index].first, let operation = underWay(token) {
            guard places[index].writes == 0, !operation.isWrite || places[index].reads == 0 else { return }
            dequeue(token, at: index)
            enter(index, operation.isWrite)
            released.append(join(token, operation, at: index))
        }
    }

    /// Takes the requests out of the queue that follow this one and can be executed together with it.
    /// - Returns: the request that stands for all of them.
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

    /// As `join`, for additions. They must have one sign: then, if their sum is within bounds, so is every sum on the
    /// way to it.
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

    /// The first operation that waits at a place, if it is on this key.
    private func first(at index: Int, of key: Key) -> (token: Int, operation: Operation)? {
        let token = places[index].first
        guard let waiting = underWay(token), waiting.request.key == key else { return nil }
        return (token, waiting)
    }

    /// Takes the first operation out of a queue.
    private mutating func dequeue(_ token: Int, at index: Int) {
        places[index].first = operations[token]?.next ?? Self.none
        if places[index].first == Self.none { places[index].last = Self.none }
        operations[token]?.next = Self.none
    }
    // MARK: Places

    /// The index of a hash, or the index where it would be.
    private func place(of hash: UInt64) -> Int {
        let mask = places.count - 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while places[index].hash != 0, places[index].hash != hash { index = (index + 1) & mask }
        return index
    }

    /// Frees a place, and moves the places behind it that would not be found any more.
    private mutating func remove(_ index: Int) {
        let mask = places.count - 1
        var hole = index
        var next = (hole + 1) & mask
        while places[next].hash != 0 {
            let home = Int(truncatingIfNeeded: places[next].hash) & mask
            // A place stays where it is if its home is between the hole and it.
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
    /// Whether its result does not depend on what was there, and its answer does not tell of it.
    fileprivate var isPlainWrite: Bool {
        if case .put(let put) = self { put.condition == .always } else { false }
    }

    /// The addend of an addition to an integer, and the update that it is a part of.
    fileprivate var addition: (addend: Int64, update: Update)? {
        guard case .update(let update) = self, case .add(let addend) = update.change else { return nil }
        return (addend, update)
    }

    /// The addition that does the same as this one and then another; nil if there is none, or if their signs differ.
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
