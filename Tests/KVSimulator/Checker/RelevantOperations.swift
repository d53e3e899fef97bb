/// The open operations of a history that can help to explain it. An open operation may be left out of the order. It
/// helps only if another operation saw its effect: its value, some value, or none.
struct RelevantOperations {
    /// Operations of which each has the same effect on the search, so that only the earliest is tried.
    struct Alike {
        /// The properties that these operations have in common.
        struct Kind: Hashable {
            var erases = false
            var keepsEnd = false
            var isNumber = false
            var requirement = Requirement.nothing
        }

        let kind: Kind
        var indices: [Int] = []
        var erases: Bool { kind.erases }
    }

    /// Operations that cannot stand for each other: those whose own value somebody saw, and those that give a value an
    /// end.
    private(set) var named: [Int] = []
    /// Additions to numbers.
    private(set) var adds: [Int] = []
    /// Writes that require a present value. A later operation may find their value although the one before would have
    /// expired.
    private(set) var overwrites: [Int] = []
    /// Writes of values that nobody saw and that do not require a present value, and erasures.
    private(set) var alike: [Alike] = []
    /// Some operation needs a number, so any change of the value may help at any time.
    private(set) var anotherMatters = false
    /// Some operation needs a value, whichever it is.
    private(set) var presenceMatters = false
    /// By base: the highest number seen that was made by adding to it.
    private var highest: [Int: Int] = [:]
    private var seenNumbers: Set<Int> = []

    init() {}

    /// - Parameter expiries: By number of a value, the index of its expiry.
    init(_ operations: [RegisterOperation], expiries: [Int: Int]) {
        let needs = Needs(operations, expiries: expiries)
        anotherMatters = needs.number
        presenceMatters = needs.presence
        for number in needs.seen where Content.isNumber(number) {
            let base = Content.base(of: number)
            highest[base] = max(number, highest[base] ?? 0)
            seenNumbers.insert(number)
        }
        for (index, operation) in operations.enumerated() where operation.isOpen {
            switch operation.step {
            case .write(let sight, let requirement), .rewrite(let sight, let requirement):
                guard needs.want(operation.step, expiries: expiries) else { continue }
                let keepsEnd = if case .rewrite = operation.step { true } else { false }
                switch requirement {
                case _ where needs.seen.contains(sight.write) || !keepsEnd && expiries[sight.write] != nil:
                    named.append(index)
                case .nothing, .absent, .number:
                    let isNumber = Content.isNumber(sight.write)
                    add(index, Alike.Kind(keepsEnd: keepsEnd, isNumber: isNumber, requirement: requirement))
                case .present, .exactly, .expiring: overwrites.append(index)
                }
            case .add(let amount):
                if highest.contains(where: { $0.value - $0.key >= amount }) || needs.another || needs.number {
                    adds.append(index)
                } else if needs.presence {
                    add(index, Alike.Kind(keepsEnd: true, isNumber: true, requirement: .number))
                }
            case .erase(.nothing): if needs.absence { add(index, Alike.Kind(erases: true)) }
            case .erase: if needs.absence { named.append(index) }
            case .schedule: named.append(index)
            // The checker itself decides when to try these.
            case .expire: continue
            case .read, .presence, .mismatch, .unmet: continue
            }
        }
    }

    private mutating func add(_ index: Int, _ kind: Alike.Kind) {
        if let group = alike.firstIndex(where: { $0.kind == kind }) {
            alike[group].indices.append(index)
        } else {
            alike.append(Alike(kind: kind, indices: [index]))
        }
    }

    /// True if `number` was seen, or if further additions to it may give a number that was.
    func isOnTheWay(_ number: Int) -> Bool {
        let rest = (highest[Content.base(of: number)] ?? 0) - number
        return rest >= Content.firstNumber || rest >= 0 && seenNumbers.contains(number)
    }
}

/// The states of the register that explain what the required operations saw, and what is needed by open operations that
/// lead to such states.
private struct Needs {
    /// Certain values.
    var seen: Set<Int> = []
    /// Some value.
    var presence = false
    /// An empty register.
    var absence = false
    /// Any value but a certain one.
    var another = false
    /// A value that is not a number.
    var word = false
    /// A number.
    var number = false

    init(_ operations: [RegisterOperation], expiries: [Int: Int]) {
        for operation in operations where !operation.isOpen { add(operation.step) }
        // An operation that serves a need may have needs itself. Needs only grow, so this ends.
        var before: Needs?
        while before != self {
            before = self
            for operation in operations where operation.isOpen {
                switch operation.step {
                case .write, .rewrite: if want(operation.step, expiries: expiries) { add(operation.step) }
                // An erasure without a requirement needs no value: on an empty register it can be left out.
                case .erase(.exactly(let sight)): if absence { see(sight.write) }
                case .schedule: add(operation.step)
                default: continue
                }
            }
        }
    }

    private mutating func add(_ step: Step) {
        if let write = step.observed { see(write) }
        presence = presence || step.needsSomeValue
        absence = absence || step.needsNoValue
        another = another || step.needsAnotherValue
        word = word || step == .unmet(.number)
        number = number || step.needsNumber
    }

    /// Adds a value to the needs. A sum also needs the number that it began with, or an empty register.
    private mutating func see(_ write: Int) {
        seen.insert(write)
        guard Content.isNumber(write) else { return }
        let base = Content.base(of: write)
        if base == 0 { absence = true } else { seen.insert(base) }
    }

    /// True if an open write serves a need.
    func want(_ step: Step, expiries: [Int: Int]) -> Bool {
        switch step {
        case .write(let sight, let requirement):
            if seen.contains(sight.write) || another || number || word && !Content.isNumber(sight.write) { return true }
            // A value with an expiry can explain presence as well as absence.
            if expiries[sight.write] != nil { return presence || absence }
            return serves(requirement, expiries: expiries)
        case .rewrite(let sight, let requirement):
            let isOther = another || number || word && !Content.isNumber(sight.write)
            return seen.contains(sight.write) || isOther || serves(requirement, expiries: expiries)
        default: return false
        }
    }

    private func serves(_ requirement: Requirement, expiries: [Int: Int]) -> Bool {
        switch requirement {
        case .nothing, .absent, .number: presence
        case .present, .exactly, .expiring: presence && !expiries.isEmpty
        }
    }
}

extension Needs: Equatable {}
