/// Decides whether some order of a register's operations, agreeing with real time, explains what each of them saw.
///
/// Wing and Gong's search ("Testing and Verifying Concurrent Objects") with Lowe's memo of visited states, as in
/// Porcupine. Since every write has its own number, three cuts keep it short: a value must not be overwritten while an
/// operation that saw it is still to be ordered; an operation that changes nothing is ordered as soon as it can be;
/// open operations that nobody saw the effect of are interchangeable, so the earliest of a kind stands for all.
public struct LinearizabilityChecker {
    public enum Verdict: Hashable, Sendable {
        case linearizable
        case violation
        /// The search was given up after `stateLimit` states. To be treated as a failure.
        case undecided
    }

    public static let stateLimit = 4_000_000

    public static func check(_ operations: [RegisterOperation]) -> Verdict {
        guard !operations.isEmpty else { return .linearizable }
        var checker = LinearizabilityChecker(operations)
        return checker.search()
    }

    private struct Register: Hashable {
        var write = 0
        var stamp = 0
        /// The number of the `expire` that ends it; 0 for none.
        var end = 0
    }

    private struct State: Hashable {
        var done: BitSet
        var register: Register
    }

    /// Ascending by invocation.
    private let operations: [RegisterOperation]
    private let required: BitSet
    /// By write: those among `required` that saw it.
    private var observers: [Int: BitSet] = [:]
    /// By write: the index of its expiry.
    private var expiries: [Int: Int] = [:]
    /// Open operations whose place in the order can matter.
    private var optional = Relevant()

    private init(_ unsorted: [RegisterOperation]) {
        let operations = unsorted.sorted { ($0.invoked, $0.completed) < ($1.invoked, $1.completed) }
        var required = BitSet(count: operations.count)
        for (index, operation) in operations.enumerated() {
            if case .expire(let write) = operation.step { expiries[write] = index }
            guard !operation.isOpen else { continue }
            required.insert(index)
            if let write = operation.step.observed {
                observers[write, default: BitSet(count: operations.count)].insert(index)
            }
        }
        self.operations = operations
        self.required = required
        optional = Relevant(operations, expiries: expiries)
    }

    private mutating func search() -> Verdict {
        var visited: Set<State> = []
        var stack = [State(done: BitSet(count: operations.count), register: Register())]
        var candidates: [Int] = []
        while let state = stack.popLast() {
            if state.done.contains(required) { return .linearizable }
            guard visited.insert(state).inserted else { continue }
            if visited.count > Self.stateLimit { return .undecided }
            let limit = fill(&candidates, after: state.done)
            if let next = harmless(candidates, from: state) {
                stack.append(next)
                continue
            }
            // The last pushed is tried first: open operations only when nothing else fits.
            pushOpen(&stack, from: state, until: limit)
            for index in candidates.reversed() { push(index, &stack, from: state) }
        }
        return .violation
    }

    /// The required operations that may come next: those invoked before any other undone one completed.
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

    /// A candidate that leaves the register as it is: ordering it now closes no possibility.
    private func harmless(_ candidates: [Int], from state: State) -> State? {
        for index in candidates where !operations[index].step.changes && apply(index, to: state) == state.register {
            var next = state
            next.done.insert(index)
            return next
        }
        return nil
    }

    private func pushOpen(_ stack: inout [State], from state: State, until limit: UInt64) {
        for index in optional.named where !state.done.contains(index) && operations[index].invoked <= limit {
            push(index, &stack, from: state)
        }
        // A value that nobody names is of use only where there is none, or where the one that is there will end.
        let isWanting = state.register.write == 0 || state.register.end != 0 || optional.anotherMatters
        for index in optional.adds where !state.done.contains(index) && operations[index].invoked <= limit {
            guard case .add(let amount) = operations[index].step else { continue }
            let isOnTheWay = optional.isOnTheWay(state.register.write + amount)
            if isOnTheWay || state.register.write == 0 || optional.anotherMatters { push(index, &stack, from: state) }
        }
        if isWanting {
            for index in optional.overwrites where !state.done.contains(index) && operations[index].invoked <= limit {
                push(index, &stack, from: state)
            }
        }
        for group in optional.alike {
            guard isWanting || group.erases,
                let index = group.indices.first(where: { !state.done.contains($0) }), operations[index].invoked <= limit
            else { continue }
            push(index, &stack, from: state)
        }
    }

    private func push(_ index: Int, _ stack: inout [State], from state: State) {
        guard let register = apply(index, to: state) else { return }
        var next = state
        next.done.insert(index)
        next.register = register
        if register.write != state.register.write, Content.isUnique(state.register.write),
            let observers = observers[state.register.write],
            !next.done.contains(observers)
        {
            return
        }
        stack.append(next)
    }

    /// The register after the operation; nil where it cannot have come next.
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

    private func see(_ sight: Sight?, _ register: Register) -> Register? {
        guard let sight else { return register.write == 0 ? register : nil }
        if sight.write == Sight.unidentified { return register.write == 0 ? nil : register }
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
    /// Can set the register, if not from every state.
    var changes: Bool {
        switch self {
        case .write, .rewrite, .add, .schedule, .erase, .expire: true
        case .read, .presence, .mismatch, .unmet: false
        }
    }

    /// The write whose value the step saw in the register.
    var observed: Int? { seen == Sight.unidentified ? nil : seen }

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

    var needsSomeValue: Bool {
        switch self {
        case .presence(true), .erase, .schedule, .write(_, .present), .rewrite(_, .present), .write(_, .expiring),
            .rewrite(_, .expiring):
            true
        case .unmet(.absent), .unmet(.number), .unmet(.expiring), .unmet(.exactly): true
        default: seen == Sight.unidentified
        }
    }

    var needsNoValue: Bool {
        switch self {
        case .read(nil), .presence(false), .write(_, .absent), .rewrite(_, .absent), .mismatch(_, met: nil): true
        case .unmet(.present), .unmet(.expiring), .unmet(.exactly): true
        default: false
        }
    }

    /// Whether it depends on what kind of value it meets, or on its being another: any write may have made the difference.
    var needsAnotherValue: Bool {
        switch self {
        case .unmet(.number), .unmet(.exactly): true
        case .write(_, .number), .rewrite(_, .number), .schedule(_, .number), .erase(.number): true
        default: false
        }
    }
}
