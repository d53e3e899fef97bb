/// Makes a history that is not linearizable smaller, for people to read. The operations that are removed could not
/// explain the rest.
///
/// The history ends at the earliest time that shows the fault. It begins with the latest write that no other operation
/// overlaps and after which the fault still shows. In between, operations that change nothing are removed if the fault
/// remains.
enum Shrinker {
    static func shrink(_ operations: [RegisterOperation]) -> [RegisterOperation] {
        let sorted = operations.sorted { ($0.invoked, $0.completed) < ($1.invoked, $1.completed) }
        return dropHarmless(cutBefore(cutAfter(sorted)))
    }

    private static func dropHarmless(_ operations: [RegisterOperation]) -> [RegisterOperation] {
        var kept = operations
        var size = max(kept.count / 2, 1)
        while true {
            for start in stride(from: 0, to: kept.count, by: size).reversed() {
                let range = start..<min(start + size, kept.count)
                let fewer = kept.indices.filter { !range.contains($0) || kept[$0].step.changes }.map { kept[$0] }
                if fewer.count < kept.count, breaks(fewer) { kept = fewer }
            }
            if size == 1 { return kept }
            size = (size + 1) / 2
        }
    }

    /// Removes what comes before a write that no other operation overlaps, because the write sets the register anyway.
    /// Open operations are kept, and so are writes that a later operation has seen.
    private static func cutBefore(_ operations: [RegisterOperation]) -> [RegisterOperation] {
        for operation in operations.reversed() {
            guard case .write(let sight, _) = operation.step, !operation.isOpen else { continue }
            let overlapped = operations.contains {
                $0 != operation && !$0.isOpen && $0.invoked <= operation.completed && $0.completed >= operation.invoked
            }
            if overlapped { continue }
            let first = RegisterOperation(operation.invoked, operation.completed, .write(sight, .nothing))
            let later = operations.filter { $0.invoked > operation.completed }
            let earlier = operations.compactMap { other -> RegisterOperation? in
                guard other.invoked < operation.invoked, !other.isOpen else {
                    return other.invoked < operation.invoked ? other : nil
                }
                // The operations that this one saw are left out, so its requirement is dropped.
                guard case .write(let sight, _) = other.step, later.contains(where: { $0.saw(sight.write) })
                else { return nil }
                return RegisterOperation(other.invoked, other.completed, .write(sight, .nothing))
            }
            let rest = withoutIdleExpiries(earlier + [first] + later)
            if breaks(rest) { return rest }
        }
        return operations
    }

    /// Removes the expiries of values that are not in the history.
    private static func withoutIdleExpiries(_ operations: [RegisterOperation]) -> [RegisterOperation] {
        operations.filter { operation in
            guard case .expire(let end) = operation.step else { return true }
            return operations.contains { $0.end == end }
        }
    }

    private static func breaks(_ operations: [RegisterOperation]) -> Bool {
        LinearizabilityChecker.check(operations) == .violation
    }

    /// The history up to the earliest completion at which it is not linearizable any more.
    private static func cutAfter(_ operations: [RegisterOperation]) -> [RegisterOperation] {
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
    /// The number of the expiry that this operation gives its value, if there is such an expiry.
    fileprivate var end: Int? {
        switch step {
        case .write(let sight, _): sight.write
        case .schedule(let end, _): end
        default: nil
        }
    }

    /// True if the operation saw the value of a write in the register.
    fileprivate func saw(_ write: Int) -> Bool {
        switch step {
        case .read(let sight): sight?.write == write
        case .write(_, .exactly(let sight)), .rewrite(_, .exactly(let sight)), .schedule(_, .exactly(let sight)),
            .erase(.exactly(let sight)):
            sight.write == write
        case .mismatch(_, let met): met?.write == write
        case .presence, .write, .rewrite, .add, .schedule, .erase, .unmet, .expire: false
        }
    }
}
