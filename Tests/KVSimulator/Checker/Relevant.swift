/// Which open operations of a history can help to explain it. An open operation may be left out of the order; it is put
/// in only for what another one saw: its value, some value, or none.
struct Relevant {
    /// Operations that can stand for each other: the earliest is as good as any.
    struct Alike {
        /// What they have in common.
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

    /// Those whose own value somebody saw, those that give a value its end, and whatever else is not like another.
    private(set) var named: [Int] = []
    /// Additions to numbers.
    private(set) var adds: [Int] = []
    /// Writes over a value that is there, by which a later operation may find some value in spite of an expiry.
    private(set) var overwrites: [Int] = []
    /// Writes of values that nobody saw, where there is none. And erasures.
    private(set) var alike: [Alike] = []
    /// Another value than the one that is there may be of use at any time.
    private(set) var anotherMatters = false
    /// Some value is needed somewhere.
    private(set) var presenceMatters = false
    /// The highest number that was seen of those made by adding to one base, by that.
    private var highest: [Int: Int] = [:]
    private var seenNumbers: Set<Int> = []

    init() {}

    /// - Parameter expiries: by number, the index of its expiry.
    init(_ operations: [RegisterOperation], expiries: [Int: Int]) {
        let needs = Needs(operations, expiries: expiries)
        anotherMatters = needs.kind
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
                if highest.contains(where: { $0.value - $0.key >= amount }) || needs.another || needs.kind {
                    adds.append(index)
                } else if needs.presence {
                    add(index, Alike.Kind(keepsEnd: true, isNumber: true, requirement: .number))
                }
            case .erase(.nothing): if needs.absence { add(index, Alike.Kind(erases: true)) }
            case .erase: if needs.absence { named.append(index) }
            case .schedule: named.append(index)
            // The checker knows when to try these.
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

    /// Whether `number` was seen, or further additions to it may come to one that was.
    func isOnTheWay(_ number: Int) -> Bool {
        let rest = (highest[Content.base(of: number)] ?? 0) - number
        return rest >= Content.firstNumber || rest >= 0 && seenNumbers.contains(number)
    }
}

/// What has to be seen by the operations that must be ordered, and by open writes that serve those.
private struct Needs {
    /// Values.
    var seen: Set<Int> = []
    var presence = false
    var absence = false
    /// Some other value than the one that is there.
    var another = false
    /// A value that is no number; a number.
    var word = false
    var kind = false

    init(_ operations: [RegisterOperation], expiries: [Int: Int]) {
        for operation in operations where !operation.isOpen { add(operation.step) }
        // What serves a need may have needs itself. Needs only grow, so this ends.
        var before: Needs?
        while before != self {
            before = self
            for operation in operations where operation.isOpen {
                switch operation.step {
                case .write, .rewrite: if want(operation.step, expiries: expiries) { add(operation.step) }
                // It needs a value only in order to take it away, so only if it needs a certain one.
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
        kind = kind || step.needsNumber
    }

    /// A sum needs the number that it began with, or nothing.
    private mutating func see(_ write: Int) {
        seen.insert(write)
        guard Content.isNumber(write) else { return }
        let base = Content.base(of: write)
        if base == 0 { absence = true } else { seen.insert(base) }
    }

    /// Whether an open write serves a need.
    func want(_ step: Step, expiries: [Int: Int]) -> Bool {
        switch step {
        case .write(let sight, let requirement):
            if seen.contains(sight.write) || another || kind || word && !Content.isNumber(sight.write) { return true }
            // What ends by itself can leave a value as well as none.
            if expiries[sight.write] != nil { return presence || absence }
            return serves(requirement, expiries: expiries)
        case .rewrite(let sight, let requirement):
            let isOther = another || kind || word && !Content.isNumber(sight.write)
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
