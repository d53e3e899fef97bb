/// Which open operations of a history can help to explain it. An open operation may be left out of the order; it is put
/// in only for what another one saw: its value, some value, or none.
struct Relevant {
    /// Operations that can stand for each other: the earliest is as good as any.
    struct Alike {
        var erases: Bool
        var indices: [Int] = []
    }

    /// Those whose own value somebody saw, those that end by themselves, and whatever else is not like another.
    private(set) var named: [Int] = []
    /// Writes over a value that is there, by which a later operation may find some value in spite of an expiry.
    private(set) var overwrites: [Int] = []
    /// Writes of values that nobody saw, where there is none: unconditional, and only if absent. And erasures.
    private(set) var alike = [Alike(erases: false), Alike(erases: false), Alike(erases: true)]

    init() {}

    /// - Parameter expiries: by write, the index of its expiry.
    init(_ operations: [RegisterOperation], expiries: [Int: Int]) {
        let needs = Needs(operations, expiries: expiries)
        for (index, operation) in operations.enumerated() where operation.isOpen {
            switch operation.step {
            case .write(let sight, let requirement):
                guard needs.want(operation.step, expiries: expiries) else { continue }
                switch requirement {
                case _ where needs.seen.contains(sight.write) || expiries[sight.write] != nil: named.append(index)
                case .nothing: alike[0].indices.append(index)
                case .absent: alike[1].indices.append(index)
                case .present, .exactly: overwrites.append(index)
                }
            case .erase(.nothing): if needs.absence { alike[2].indices.append(index) }
            case .erase: if needs.absence { named.append(index) }
            case .expire: named.append(index)
            case .read, .presence, .mismatch: continue
            }
        }
    }
}

/// What has to be seen by the operations that must be ordered, and by open writes that serve those.
private struct Needs {
    /// Writes.
    var seen: Set<Int> = []
    var presence = false
    var absence = false

    init(_ operations: [RegisterOperation], expiries: [Int: Int]) {
        for operation in operations where !operation.isOpen { add(operation.step) }
        // What serves a need may have needs itself. Needs only grow, so this ends.
        var before: Needs?
        while before != self {
            before = self
            for operation in operations where operation.isOpen {
                switch operation.step {
                case .write: if want(operation.step, expiries: expiries) { add(operation.step) }
                // It needs a value only in order to take it away, so only if it needs a certain one.
                case .erase(.exactly(let sight)): if absence { seen.insert(sight.write) }
                default: continue
                }
            }
        }
    }

    private mutating func add(_ step: Step) {
        if let write = step.observed { seen.insert(write) }
        presence = presence || step.needsSomeValue
        absence = absence || step.needsNoValue
    }

    /// Whether an open write serves a need.
    func want(_ step: Step, expiries: [Int: Int]) -> Bool {
        guard case .write(let sight, let requirement) = step else { return false }
        if seen.contains(sight.write) { return true }
        // What ends by itself can leave a value as well as none.
        if expiries[sight.write] != nil { return presence || absence }
        switch requirement {
        case .nothing, .absent: return presence
        case .present, .exactly: return presence && !expiries.isEmpty
        }
    }
}

extension Needs: Equatable {}
