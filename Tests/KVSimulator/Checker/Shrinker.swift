/// Makes a history that breaks linearizability smaller, for people to read.
///
/// Cut at the earliest time that still shows it; then whatever can go goes. What an operation that stays has seen stays too.
enum Shrinker {
    static func shrink(_ operations: [RegisterOperation]) -> [RegisterOperation] {
        var kept = cut(operations.sorted { ($0.invoked, $0.completed) < ($1.invoked, $1.completed) })
        var size = max(kept.count / 2, 1)
        while true {
            for start in stride(from: 0, to: kept.count, by: size).reversed() where start < kept.count {
                let fewer = removing(start..<min(start + size, kept.count), from: kept)
                if fewer.count < kept.count, breaks(fewer) { kept = fewer }
            }
            if size == 1 { return kept }
            size = (size + 1) / 2
        }
    }

    /// Without those in `range`; but a write stays while an operation that is left has seen it.
    private static func removing(_ range: Range<Int>, from operations: [RegisterOperation]) -> [RegisterOperation] {
        let rest = operations[..<range.lowerBound] + operations[range.upperBound...]
        let kept = operations[range].filter { operation in
            guard let write = operation.write else { return false }
            return rest.contains { $0.mentions(write) }
        }
        return (rest + kept).sorted { ($0.invoked, $0.completed) < ($1.invoked, $1.completed) }
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
