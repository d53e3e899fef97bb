/// Makes a history that breaks linearizability smaller, for people to read.
///
/// Cut at the earliest time that still shows it; then whatever can go goes. What an operation that stays has seen stays too.
enum Shrinker {
    static func shrink(_ operations: [RegisterOperation]) -> [RegisterOperation] {
        var kept = cut(operations.sorted { ($0.invoked, $0.completed) < ($1.invoked, $1.completed) })
        for operation in kept.reversed() {
            guard let index = kept.firstIndex(of: operation) else { continue }
            var fewer = kept
            fewer.remove(at: index)
            if let write = operation.write, fewer.contains(where: { $0.mentions(write) }) { continue }
            if breaks(fewer) { kept = fewer }
        }
        return kept
    }

    private static func breaks(_ operations: [RegisterOperation]) -> Bool {
        LinearizabilityChecker.check(operations) == .violation
    }

    /// What had been seen by the earliest completion at which the history is already broken.
    private static func cut(_ operations: [RegisterOperation]) -> [RegisterOperation] {
        let times = Set(operations.map(\.completed)).subtracting([RegisterOperation.open]).sorted()
        var low = 0
        var high = times.count
        while low < high {
            let middle = (low + high) / 2
            if breaks(prefix(operations, until: times[middle])) { high = middle } else { low = middle + 1 }
        }
        return low < times.count ? prefix(operations, until: times[low]) : operations
    }

    private static func prefix(_ operations: [RegisterOperation], until time: UInt64) -> [RegisterOperation] {
        operations.compactMap { operation in
            guard operation.invoked <= time else { return nil }
            var operation = operation
            if operation.completed > time { operation.completed = RegisterOperation.open }
            return operation
        }
    }
}

extension RegisterOperation {
    /// The write whose value this sets.
    fileprivate var write: Int? {
        if case .write(let sight, _) = step { return sight.write }
        return nil
    }

    fileprivate func mentions(_ write: Int) -> Bool {
        switch step {
        case .read(let sight): sight?.write == write
        case .write(_, .exactly(let sight)), .erase(.exactly(let sight)): sight.write == write
        case .mismatch(let required, let met): met?.write == write || required == .exactly(Sight(write))
        case .expire(let ending): ending == write
        case .presence, .write, .erase: false
        }
    }
}
