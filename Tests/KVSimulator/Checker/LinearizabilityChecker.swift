/// Decides whether there is an order of a register's operations that agrees with real time and explains what each of
/// them saw.
///
/// This is Wing and Gong's search ("Testing and Verifying Concurrent Objects") with Lowe's memory of visited states, as
/// in Porcupine. Every write has its own number, which allows three cuts:
///
/// - A value is not overwritten while an operation that saw it has not been ordered.
/// - An operation that changes nothing is ordered as soon as possible.
/// - Open operations whose effect nobody saw are interchangeable, so only the earliest of each kind is tried.
package struct LinearizabilityChecker {
    package enum Verdict: Hashable, Sendable {
        case linearizable
        case violation
        /// The search was given up after `stateLimit` states. Callers treat this as a failure.
        case undecided
    }

    package static let stateLimit = 4_000_000

    package static func check(_ operations: [RegisterOperation]) -> Verdict {
        guard !operations.isEmpty else { return .linearizable }
        let checker = LinearizabilityChecker(operations)
        // Trying the newest state first decides nearly all histories quickly.
        let verdict = checker.search(Frontier(isByCost: false), limit: stateLimit / 2)
        return verdict == .undecided ? checker.search(Frontier(isByCost: true), limit: stateLimit) : verdict
    }

    private struct Register: Hashable {
        var write = 0
        var stamp = 0
        /// The number of the `expire` that ends the value; 0 for none.
        var end = 0
    }

    private struct State: Hashable {
        var done: BitSet
        var register: Register
    }

    /// All operations, by the time of their invocation. The sets and lists below hold indices into this array.
    private let operations: [RegisterOperation]
    /// The operations that must be in the order: those that have completed.
    private let required: BitSet
    /// Changes with a rank, in the order of their ranks.
    private let ranked: [Int]
    /// By value: the required operations that saw it.
    private var observers: [Int: BitSet] = [:]
    /// By value: the value from which it was derived by a chain of changes that each required exactly the value before.
    private var origins: [Int: Int] = [:]
    /// By origin: the required operations that saw a value derived from it.
    private var heirs: [Int: BitSet] = [:]
    /// By write: its expiry.
    private var expiries: [Int: Int] = [:]
    /// By value: the required operations that saw a different value.
    private var avoiders: [Int: BitSet] = [:]
    /// The required operations that saw a value that is not a number.
    private var wordSeekers: BitSet
    /// Open operations whose place in the order can matter.
    private var optional = RelevantOperations()

    private init(_ unsorted: [RegisterOperation]) {
        let operations = Self.closingSeen(unsorted).sorted { ($0.invoked, $0.completed) < ($1.invoked, $1.completed) }
        var required = BitSet(count: operations.count)
        wordSeekers = required
        for (index, operation) in operations.enumerated() {
            if case .expire(let write) = operation.step { expiries[write] = index }
            guard !operation.isOpen else { continue }
            required.insert(index)
            if let write = operation.step.observed {
                observers[write, default: BitSet(count: operations.count)].insert(index)
            }
            switch operation.step {
            case .unmet(.exactly(let sight)):
                avoiders[sight.write, default: BitSet(count: operations.count)].insert(index)
            case .unmet(.number): wordSeekers.insert(index)
            default: continue
            }
        }
        self.operations = operations
        self.required = required
        ranked = operations.indices.filter { operations[$0].rank > 0 }.sorted {
            (operations[$0].rank, $0) < (operations[$1].rank, $1)
        }
        traceOrigins()
        optional = RelevantOperations(operations, expiries: expiries)
    }

    /// Closes open changes whose value was seen by a required operation: they took effect before that one completed, so
    /// they are required as well.
    private static func closingSeen(_ unclosed: [RegisterOperation]) -> [RegisterOperation] {
        var operations = unclosed
        var writers: [Int: Int] = [:]
        var adders: [Int: Int] = [:]
        for (index, operation) in operations.enumerated() where operation.isOpen {
            switch operation.step {
            case .write(let sight, _), .rewrite(let sight, _): writers[sight.write] = index
            case .add(let amount): adders[amount] = index
            default: continue
            }
        }
        var observers = operations.indices.filter { !operations[$0].isOpen }
        while let observer = observers.popLast() {
            guard let seen = operations[observer].step.observed, Content.isUnique(seen) else { continue }
            let done = operations[observer].completed
            let makers =
                Content.isNumber(seen)
                ? [writers[Content.base(of: seen)], writers[seen], adders[seen - Content.base(of: seen)]]
                : [writers[seen]]
            for case let maker? in makers
            where maker != observer && operations[maker].invoked <= done && done < operations[maker].completed {
                operations[maker].completed = done
                observers.append(maker)
            }
        }
        return operations
    }

    /// The states that the search has still to visit. The newest comes first or, by cost, the newest of those with the
    /// fewest unlikely steps. Without costs, the search tries all combinations of unlikely steps at one place before it
    /// tries another place.
    private struct Frontier {
        let isByCost: Bool
        /// The states by their costs.
        private var stacks: [[State]] = [[]]
        private var lowest = 0
        /// The cost of the state that was taken last.
        private(set) var cost = 0

        init(isByCost: Bool) { self.isByCost = isByCost }

        mutating func append(_ state: State, cost: Int) {
            while stacks.count <= cost { stacks.append([]) }
            stacks[cost].append(state)
            lowest = min(lowest, cost)
        }

        mutating func popLast() -> State? {
            while stacks[lowest].isEmpty {
                guard lowest + 1 < stacks.count else { return nil }
                lowest += 1
            }
            cost = lowest
            return stacks[lowest].popLast()
        }
    }

    private func search(_ frontier: Frontier, limit stateLimit: Int) -> Verdict {
        var visited: Set<State> = []
        var stack = frontier
        stack.append(State(done: BitSet(count: operations.count), register: Register()), cost: 0)
        var candidates: [Int] = []
        while let state = stack.popLast() {
            if state.done.contains(required) { return .linearizable }
            guard visited.insert(state).inserted else { continue }
            if visited.count > stateLimit { return .undecided }
            let limit = fill(&candidates, after: state.done)
            if let next = harmless(candidates, from: state) {
                stack.append(next, cost: stack.cost)
                continue
            }
            // The state pushed last is tried first, so open operations are tried only if nothing else fits.
            pushOpen(&stack, from: state, until: limit)
            for index in byRank(candidates).reversed() { push(index, &stack, from: state) }
            if let index = openInTurn(state.done), operations[index].invoked <= limit {
                push(index, &stack, from: state)
            }
        }
        return .violation
    }

    /// Collects the required operations that may come next, that is, those invoked before any other undone one
    /// completed.
    /// - Returns: The earliest completion of an undone required operation: an operation that is invoked later cannot
    ///   come next.
    private func fill(_ candidates: inout [Int], after done: BitSet) -> UInt64 {
        candidates.removeAll(keepingCapacity: true)
        var limit = UInt64.max
        var index = done.firstMissing(of: required)
        while index < operations.count, operations[index].invoked <= limit {
            if !operations[index].isOpen, !done.contains(index) {
                candidates.append(index)
                limit = min(limit, operations[index].completed)
            }
            index += 1
        }
        candidates.removeAll { operations[$0].invoked > limit }
        return limit
    }

    /// Sorts the candidates with ranks by these, and leaves the others in their places.
    private func byRank(_ candidates: [Int]) -> [Int] {
        let places = candidates.indices.filter { operations[candidates[$0]].rank > 0 }
        guard places.count > 1 else { return candidates }
        var result = candidates
        let sorted = places.map { candidates[$0] }.sorted { operations[$0].rank < operations[$1].rank }
        for (place, index) in zip(places, sorted) { result[place] = index }
        return result
    }

    /// The next change by rank, if that is open.
    private func openInTurn(_ done: BitSet) -> Int? {
        guard let place = ranked.firstIndex(where: { !done.contains($0) }), operations[ranked[place]].isOpen,
            place + 1 == ranked.count || !done.contains(ranked[place + 1])
        else { return nil }
        return ranked[place]
    }

    /// The state after a candidate that leaves the register as it is, if there is one. Ordering it now excludes
    /// nothing.
    private func harmless(_ candidates: [Int], from state: State) -> State? {
        for index in candidates where !operations[index].step.changes && apply(index, to: state) == state.register {
            var next = state
            next.done.insert(index)
            return next
        }
        return nil
    }

    private func pushOpen(_ stack: inout Frontier, from state: State, until limit: UInt64) {
        let register = state.register
        func push(_ indices: [Int]) {
            for index in indices where !state.done.contains(index) && operations[index].invoked <= limit {
                self.push(index, &stack, from: state)
            }
        }
        let isAvoided = avoiders[register.write].map { !state.done.contains($0) } ?? false
        let anotherHelps = optional.anotherMatters || isAvoided
        // A value that nobody saw helps only if the register is empty, if its value will end, or if another value is
        // needed.
        let isWanting = register.write == 0 || register.end != 0 || anotherHelps
        let wordHelps = Content.isNumber(register.write) && !state.done.contains(wordSeekers)
        if isWanting || wordHelps { push(optional.overwrites) }
        for group in optional.alike where isWanting || group.erases || wordHelps && !group.kind.isNumber {
            guard let index = group.indices.first(where: { !state.done.contains($0) }) else { continue }
            push([index])
        }
        // Pushed later, so tried before: operations whose values somebody saw.
        push(optional.named)
        // An expiry that may come at any time, or never, need be tried only while its value is in the register. (If it
        // came earlier, it would have the same effect as right after the value.)
        if let index = openExpiry(of: register) { push([index]) }
        push(
            optional.adds.filter { index in
                guard case .add(let amount) = operations[index].step else { return false }
                return anotherHelps || register.write == 0 && optional.presenceMatters
                    || optional.isOnTheWay(register.write + amount)
            })
    }

    private func openExpiry(of register: Register) -> Int? {
        guard register.end != 0, let index = expiries[register.end], operations[index].isOpen else { return nil }
        return index
    }

    private func push(_ index: Int, _ stack: inout Frontier, from state: State) {
        guard let register = apply(index, to: state) else { return }
        var next = state
        next.done.insert(index)
        next.register = register
        // The replaced value cannot end any more. So its expiry counts as done, and fewer states differ.
        if register.end != state.register.end, let ended = openExpiry(of: state.register) { next.done.insert(ended) }
        guard mayReplace(state.register.write, by: register.write, next.done) else { return }
        let isCostly = stack.isByCost && isUnlikely(index, after: state.done)
        stack.append(next, cost: stack.cost + (isCostly ? 1 : 0))
    }

    /// True for an open operation without a rank, and for a change that comes before one of a lower rank.
    private func isUnlikely(_ index: Int, after done: BitSet) -> Bool {
        let rank = operations[index].rank
        guard rank > 0 else { return operations[index].isOpen }
        guard let least = ranked.first(where: { !operations[$0].isOpen && !done.contains($0) }) else { return false }
        return operations[least].rank < rank
    }

    /// False if a value that can be in the register only once would be replaced before all operations are ordered that
    /// saw it, or saw a value derived from it.
    private func mayReplace(_ old: Int, by new: Int, _ done: BitSet) -> Bool {
        guard old != new, Content.isUnique(old) else { return true }
        if let observers = observers[old], !done.contains(observers) { return false }
        let origin = origin(of: old)
        guard origin != self.origin(of: new), let heirs = heirs[origin] else { return true }
        return done.contains(heirs)
    }

    private func origin(of value: Int) -> Int {
        if let origin = origins[value] { return origin }
        // A sum is derived from the number that was put.
        guard Content.isNumber(value), Content.isUnique(value), Content.base(of: value) != 0 else { return value }
        let base = Content.base(of: value)
        return origins[base] ?? base
    }

    private mutating func traceOrigins() {
        var parents: [Int: Int] = [:]
        for operation in operations {
            switch operation.step {
            case .write(let sight, .exactly(let met)), .rewrite(let sight, .exactly(let met)):
                if Content.isUnique(met.write),
                    !Content.isNumber(sight.write) || Content.base(of: sight.write) == sight.write
                {
                    parents[sight.write] = met.write
                }
            default: continue
            }
        }
        for value in parents.keys {
            var origin = value
            // Only in a wrong history is a value derived from itself. The bound ends the loop there.
            for _ in 0...2 * parents.count {
                if let parent = parents[origin] {
                    origin = parent
                } else if self.origin(of: origin) != origin {
                    origin = self.origin(of: origin)
                } else {
                    break
                }
            }
            origins[value] = origin
        }
        for (value, observers) in observers where Content.isUnique(value) {
            heirs[origin(of: value), default: BitSet(count: operations.count)].formUnion(observers)
        }
    }

    /// The register after the operation. Nil if the operation cannot come next.
    private func apply(_ index: Int, to state: State) -> Register? {
        let register = state.register
        switch operations[index].step {
        case .read(let sight): return see(sight, register)
        case .presence(let present): return present == (register.write != 0) ? register : nil
        case .write(let sight, let requirement):
            guard holds(requirement, register) else { return nil }
            return ending(Register(write: sight.write, stamp: sight.stamp, end: sight.write), state)
        case .rewrite(let sight, let requirement):
            guard holds(requirement, register) else { return nil }
            return Register(write: sight.write, stamp: sight.stamp, end: register.end)
        case .add(let amount):
            guard holds(.number, register) else { return nil }
            return Register(write: register.write + amount, end: register.end)
        case .schedule(let end, let requirement):
            guard register.write != 0, holds(requirement, register) else { return nil }
            return ending(Register(write: register.write, stamp: register.stamp, end: end), state)
        case .erase(let requirement):
            return register.write != 0 && holds(requirement, register) ? Register() : nil
        case .mismatch(let requirement, let met):
            guard let seen = see(met, register) else { return nil }
            if case .exactly(let sight) = requirement { return sight == met ? nil : seen }
            return holds(requirement, seen) ? nil : seen
        case .unmet(let requirement): return holds(requirement, register) ? nil : register
        case .expire(let end): return register.end == end ? Register() : register
        }
    }

    private func ending(_ register: Register, _ state: State) -> Register {
        guard let expiry = expiries[register.end] else {
            return Register(write: register.write, stamp: register.stamp)
        }
        return state.done.contains(expiry) ? Register() : register
    }

    private func see(_ sight: SeenValue?, _ register: Register) -> Register? {
        guard let sight else { return register.write == 0 ? register : nil }
        if sight.write == SeenValue.unidentified { return register.write == 0 ? nil : register }
        guard sight.write == register.write else { return nil }
        if sight.stamp == 0 { return register }
        guard sight.stamp >= register.stamp else { return nil }
        return Register(write: sight.write, stamp: sight.stamp, end: register.end)
    }

    private func holds(_ requirement: Requirement, _ register: Register) -> Bool {
        switch requirement {
        case .nothing: true
        case .absent: register.write == 0
        case .present: register.write != 0
        case .exactly(let sight): see(sight, register) != nil
        case .expiring: register.end != 0
        case .number: register.write == 0 || Content.isNumber(register.write)
        }
    }
}

extension Step {
    /// True if the step changes the register from some states.
    var changes: Bool {
        switch self {
        case .write, .rewrite, .add, .schedule, .erase, .expire: true
        case .read, .presence, .mismatch, .unmet: false
        }
    }

    /// The write whose value the step saw in the register.
    var observed: Int? { seen == SeenValue.unidentified ? nil : seen }

    private var seen: Int? {
        switch self {
        case .read(let sight): sight?.write
        case .mismatch(_, let met): met?.write
        case .write(_, .exactly(let sight)), .rewrite(_, .exactly(let sight)), .schedule(_, .exactly(let sight)),
            .erase(.exactly(let sight)):
            sight.write
        case .presence, .write, .rewrite, .add, .schedule, .erase, .expire, .unmet: nil
        }
    }

    /// True if the step needs a value in the register, or one may explain it.
    var needsSomeValue: Bool {
        switch self {
        case .presence(true), .erase, .schedule, .write(_, .present), .rewrite(_, .present), .write(_, .expiring),
            .rewrite(_, .expiring):
            true
        case .unmet(.absent), .unmet(.number), .unmet(.expiring), .unmet(.exactly): true
        default: seen == SeenValue.unidentified
        }
    }

    /// True if the step needs an empty register, or that may explain it.
    var needsNoValue: Bool {
        switch self {
        case .read(nil), .presence(false), .write(_, .absent), .rewrite(_, .absent), .mismatch(_, met: nil): true
        case .unmet(.present), .unmet(.expiring), .unmet(.exactly): true
        default: false
        }
    }

    /// True if any value but a certain one explains the step.
    var needsAnotherValue: Bool {
        if case .unmet(.exactly) = self { return true }
        return false
    }

    /// True if the step needs a number in the register.
    var needsNumber: Bool {
        switch self {
        case .write(_, .number), .rewrite(_, .number), .schedule(_, .number), .erase(.number): true
        default: false
        }
    }
}
