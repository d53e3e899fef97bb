import KVCore

/// The commands on keys that a connection has under way. Those on different keys go on side by side; of those on one
/// key, a later waits for an earlier where one of them changes it: a client's commands take effect in its order, and a
/// change of leaders could reorder what is on its way. Plain writes of a key that have waited together go as the last
/// of them, and additions as their sum: it is what is left when they take effect one after another with nothing
/// between.
struct OperationTable {
    struct Operation {
        /// The place of the reply among the connection's.
        var sequence: UInt64
        /// The part of a command on several keys.
        var part: Int
        var expectation: RESPExpectation
        var isWrite: Bool
        /// Whether it may be answered from any copy.
        var isStale: Bool
        /// What its reply is expected to take, as `RESPRoom` counts it. Bytes.
        fileprivate(set) var counted: Int
        /// Of key and value.
        var bytes: Int
        /// Of a read, which may have to be carried out again.
        var key: Key?
        /// Not to go with others.
        fileprivate var isSingle = false
        /// Of the key.
        fileprivate let hash: KeyHash
        /// Its place among the keys under way: never 0.
        fileprivate var place: UInt64 { max(hash.low, 1) }
        /// The next that waits for the same key, or that goes with this one.
        fileprivate var next = none

        init(
            _ command: Command, _ key: Key, sequence: UInt64, part: Int, expectation: RESPExpectation, isStale: Bool,
            counted: Int
        ) {
            self.sequence = sequence
            self.part = part
            self.expectation = expectation
            isWrite = !command.isRead
            self.isStale = isStale
            self.counted = counted
            bytes = key.bytes.count + command.valueBytes
            hash = KeyHash(key)
            self.key = isWrite ? nil : key
        }
    }

    /// What waits for others on its key.
    struct Held {
        var token: Int
        var key: Key
        var command: Command
        var isStale: Bool
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

    /// By token.
    private var operations: [Operation] = []
    private var free: [Int] = []
    /// Open addressing, at most half full; a power of two.
    private var places = Array(repeating: Place(), count: 32)
    private var used = 0
    /// What waits, by token; and additions that go together, which may have to go one by one after all.
    private var held: [Int: (key: Key, command: Command)] = [:]
    private var released: [Held] = []

    private(set) var count = 0
    /// Bytes of their keys and values.
    private(set) var bytes = 0

    /// Takes a command in. It may go at once unless `hasToWait`; it comes out of `takeReleased` otherwise.
    mutating func begin(_ operation: Operation, key: Key, _ command: Command) -> (token: Int, hasToWait: Bool) {
        let token = take(operation)
        count += 1
        bytes += operation.bytes
        let index = place(of: operation.place)
        if places[index].hash == 0 {
            places[index].hash = operation.place
            used += 1
        }
        let isFree = places[index].first == Self.none && places[index].writes == 0
        if isFree, !operation.isWrite || places[index].reads == 0 {
            enter(index, operation.isWrite)
            if used * 2 > places.count { grow() }
            return (token, false)
        }
        held[token] = (key, command)
        if places[index].last == Self.none {
            places[index].first = token
        } else {
            operations[places[index].last].next = token
        }
        places[index].last = token
        return (token, true)
    }

    /// What additions that went together have come to, one after another; nothing where they go one by one now, and nil
    /// of a token that stands for no others, or for what has ended alike.
    mutating func sums(of token: Int, _ outcome: Outcome) -> [Int64]? {
        guard !held.isEmpty, held[token] != nil else { return nil }
        if case .updated(_, .misfit(.overflow)) = outcome {
            // None of them has been carried out, and the first may fit.
            separate(token)
            return []
        }
        var addends: [Int64] = []
        var next = token
        while next != Self.none {
            addends.append(held.removeValue(forKey: next)?.command.addition?.addend ?? 0)
            next = operations[next].next
        }
        guard case .updated(_, .applied(.integer(var value))) = outcome else { return nil }
        for addend in addends { value &-= addend }
        return addends.map { addend in
            value &+= addend
            return value
        }
    }

    /// Lets additions go one by one that have not gone together: the first now, the others before all that waits.
    private mutating func separate(_ first: Int) {
        let index = place(of: operations[first].place)
        var last = first
        while operations[last].next != Self.none {
            last = operations[last].next
            operations[last].isSingle = true
        }
        guard last != first, let (key, command) = held.removeValue(forKey: first) else { return }
        operations[last].next = places[index].first
        if places[index].first == Self.none { places[index].last = last }
        places[index].first = operations[first].next
        operations[first].next = Self.none
        released.append(Held(token: first, key: key, command: command, isStale: operations[first].isStale))
    }

    /// The command of a token. Nil for a token that is not under way.
    func underWay(_ token: Int) -> Operation? {
        guard operations.indices.contains(token), operations[token].sequence != .max else { return nil }
        return operations[token]
    }

    /// Of the command's key.
    func hash(of token: Int) -> KeyHash { operations[token].hash }

    /// What a read may bring that is not put aside at once; no limit where it may not be put aside. Bytes.
    func allowance(of token: Int) -> Int {
        operations[token].isWrite || !operations[token].expectation.bringsValue
            ? .max : max(operations[token].counted, RESPRoom.small)
    }

    /// A read is carried out again, and its reply is now known to take so much.
    mutating func count(_ token: Int, as bytes: Int) {
        guard operations.indices.contains(token) else { return }
        operations[token].counted = bytes
    }

    /// The command of a token has been answered. Nil for a token that is not under way.
    mutating func end(_ token: Int) -> Operation? {
        guard operations.indices.contains(token), operations[token].sequence != .max else { return nil }
        let operation = release(token)
        let index = place(of: operation.place)
        if operation.isWrite { places[index].writes -= 1 } else { places[index].reads -= 1 }
        if places[index].first != Self.none { letGo(index) }
        if places[index].reads == 0, places[index].writes == 0 { remove(index) }
        return operation
    }

    /// The next of those that went with one that has ended. Nil after the last.
    mutating func endNext(after operation: Operation) -> Operation? {
        operation.next == Self.none ? nil : release(operation.next)
    }

    /// Its token may be used again.
    private mutating func release(_ token: Int) -> Operation {
        let operation = operations[token]
        operations[token].sequence = .max
        operations[token].key = nil
        free.append(token)
        count -= 1
        bytes -= operation.bytes
        return operation
    }

    /// What may go now.
    mutating func takeReleased() -> Held? { released.isEmpty ? nil : released.removeLast() }

    private mutating func take(_ operation: Operation) -> Int {
        if let token = free.popLast() {
            operations[token] = operation
            return token
        }
        operations.append(operation)
        return operations.count - 1
    }

    private mutating func enter(_ index: Int, _ isWrite: Bool) {
        if isWrite { places[index].writes += 1 } else { places[index].reads += 1 }
    }

    /// Lets go what waits at a place, as far as it may.
    private mutating func letGo(_ index: Int) {
        while case let token = places[index].first, token != Self.none {
            let isWrite = operations[token].isWrite
            guard places[index].writes == 0, !isWrite || places[index].reads == 0 else { return }
            dequeue(token, at: index)
            enter(index, isWrite)
            guard let (key, command) = held.removeValue(forKey: token) else { continue }
            let last = join(token, key, command, at: index)
            released.append(Held(token: token, key: key, command: last, isStale: operations[token].isStale))
        }
    }

    /// Takes from the queue what goes with a command, and comes right after it; gives what stands for all.
    private mutating func join(_ token: Int, _ key: Key, _ command: Command, at index: Int) -> Command {
        if command.addition != nil, !operations[token].isSingle { return add(token, key, command, at: index) }
        guard command.isPlainWrite else { return command }
        var result = command
        var last = token
        while let (next, other) = first(at: index, of: key), other.isPlainWrite {
            held[next] = nil
            dequeue(next, at: index)
            operations[last].next = next
            (last, result) = (next, other)
        }
        return result
    }

    /// The same of additions, of one sign: where their sum is within bounds, so is every sum on the way to it.
    private mutating func add(_ token: Int, _ key: Key, _ command: Command, at index: Int) -> Command {
        var result = command
        var last = token
        while let (next, other) = first(at: index, of: key), !operations[next].isSingle,
            let sum = result.adding(other)
        {
            dequeue(next, at: index)
            operations[last].next = next
            (last, result) = (next, sum)
        }
        if last != token { held[token] = (key, command) }
        return result
    }

    /// The first that waits at a place, if it is of this key.
    private func first(at index: Int, of key: Key) -> (token: Int, command: Command)? {
        let token = places[index].first
        guard token != Self.none, let waiting = held[token], waiting.key == key else { return nil }
        return (token, waiting.command)
    }

    /// Takes the first of a queue out of it.
    private mutating func dequeue(_ token: Int, at index: Int) {
        places[index].first = operations[token].next
        if places[index].first == Self.none { places[index].last = Self.none }
        operations[token].next = Self.none
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
