import KVCore

/// Checks a history: each key is linearizable, refused requests have no effect, listings are in order.
struct HistoryCheck {
    private let calls: [Call]
    private let ledger: Ledger
    /// When the run ended, in nanoseconds. A later expiry is not part of the history.
    private let end: UInt64
    private let clocks: ClockSlack
    private var violations: [Violation] = []

    /// All violations of a history.
    /// - Parameter permitsLoss: True if acknowledged writes may have been lost. Then no order need explain the history,
    ///   and only some checks are made.
    static func violations(
        in history: History, ledger: Ledger, end: UInt64, clocks: ClockSlack, permitsLoss: Bool = false
    ) -> [Violation] {
        var check = HistoryCheck(calls: history.calls, ledger: ledger, end: end, clocks: clocks)
        check.learnVersions()
        check.checkEachCall()
        guard !permitsLoss else {
            return (history.violations + ledger.violations + check.violations).filter(\.check.standsLoss)
        }
        for key in Set(history.calls.filter { !$0.isListing }.map(\.key)).sorted() { check.checkKey(key) }
        return history.violations + ledger.violations + check.violations
    }

    private init(calls: [Call], ledger: Ledger, end: UInt64, clocks: ClockSlack) {
        self.calls = calls
        self.ledger = ledger
        self.end = end
        self.clocks = clocks
    }

    /// Checks that clients and stores have seen the same value under each version.
    private func learnVersions() {
        for call in calls {
            switch call.end {
            case .answered(.written(let version)): ledger.learn(call.key, version, value: call.value)
            case .answered(.found(let record)):
                guard let content = record.value.flatMap(Content.init) else { continue }
                ledger.learn(content)
                ledger.learn(call.key, record.version, value: content.value)
            case .answered(.updated(let version, let result)):
                if let content = result.previous { ledger.learn(content) }
                if let version, let value = call.value(after: result) { ledger.learn(call.key, version, value: value) }
            default: continue
            }
        }
    }

    private mutating func checkEachCall() {
        var invocations = [Int: (key: Key, time: UInt64)]()
        for call in calls where call.write != 0 { invocations[call.write] = (call.key, call.invoked) }
        for call in calls {
            guard case .answered(let outcome) = call.end else { continue }
            switch outcome {
            case .refused, .conditionFailed, .updated(nil, _):
                guard call.write != 0, ledger.hasStored(call.write) else { continue }
                violations.append(Violation(.refusedTookEffect, "\(call)"))
            case .found(let record) where call.consistency == .stale:
                let writes = record.value.flatMap(Content.init)?.writes.map { invocations[$0] }
                let wereMade = writes?.allSatisfy {
                    $0.map { $0.key == call.key && $0.time <= call.completed } ?? false
                }
                if wereMade ?? false { continue }
                violations.append(Violation(.staleRead, "\(call)"))
            case .listed(let keys, let more): checkListing(call, keys, more)
            case .counted(let count):
                let keys = keys(in: call.partition, by: call.slots)
                if call.command == .count, (0...keys.count).contains(count) { continue }
                violations.append(Violation(.listing, "\(call)"))
            default: continue
            }
        }
    }

    private mutating func checkListing(_ call: Call, _ keys: [Key], _ more: Bool) {
        guard case .list(let query) = call.command else {
            return violations.append(Violation(.listing, "not asked for: \(call)"))
        }
        let ordered = zip(keys, keys.dropFirst()).allSatisfy { RingOrder.precedes($0, $1) }
        let follows = keys.allSatisfy { key in query.after.map { RingOrder.precedes($0, key) } ?? true }
        let matches = keys.allSatisfy { $0.bytes.starts(with: query.prefix) }
        if ordered, follows, matches, keys.count <= query.limit, !more || !keys.isEmpty { return }
        violations.append(Violation(.listing, "\(call)"))
    }

    private mutating func checkKey(_ key: Key) {
        let calls = calls.filter { $0.concerns(key) }
        let translation = Translation(key: key, calls: calls, ledger: ledger, end: end, clocks: clocks)
        violations += translation.violations
        guard translation.violations.isEmpty else { return }
        switch LinearizabilityChecker.check(translation.operations) {
        case .linearizable: checkCounts(key, calls)
        case .undecided:
            let detail = "\(key): \(translation.operations.count) operations"
            violations.append(Violation(.undecided, detail, history: translation.lines(translation.operations)))
        case .violation:
            let shrunk = Shrinker.shrink(translation.operations)
            violations.append(
                Violation(.linearizability, "\(key): no order explains its history", history: translation.lines(shrunk))
            )
        }
    }

    private func keys(in partition: PartitionID, by slots: SlotMap) -> Set<Key> {
        Set(calls.lazy.filter { !$0.isListing }.map(\.key).filter { slots.partition(of: $0.slot) == partition })
    }

    /// Checks the counts that say of the key that it is there or not: those of all keys of its partition, and of none.
    ///
    /// A count may include a record for a while after its expiry. So they are checked apart, as if every value expired
    /// at its time or later.
    private mutating func checkCounts(_ key: Key, _ others: [Call]) {
        let counts = calls.filter { call in
            guard call.covers(key), case .answered(.counted(let count)) = call.end else { return false }
            // If the partition was split meanwhile, nobody knows which keys were counted.
            guard count == 0 || call.slotsAtEnd ?? call.slots == call.slots else { return count == 0 }
            return count == 0 || count == keys(in: call.partition, by: call.slots).count
        }
        guard !counts.isEmpty else { return }
        let translation = Translation(
            key: key, calls: others + counts, ledger: ledger, end: end, clocks: clocks.withLateExpiry)
        guard translation.violations.isEmpty, case .violation = LinearizabilityChecker.check(translation.operations)
        else { return }
        let shrunk = Shrinker.shrink(translation.operations)
        violations.append(
            Violation(
                .linearizability, "\(key): no order explains its history and the counts of its partition",
                history: translation.lines(shrunk)))
    }
}

/// The difference between the times at which values should expire and those at which they may, because wall clocks are
/// wrong.
struct ClockSlack {
    /// What a clock that is right shows at time 0, in milliseconds since 1970.
    let origin: UInt64
    /// Milliseconds by which a value may expire too early; nil if there is no limit.
    let early: UInt64?
    /// A value may expire late, or never.
    private(set) var mayBeLate: Bool

    var withLateExpiry: Self {
        var clocks = self
        clocks.mayBeLate = true
        return clocks
    }

    init(_ wrong: WrongClocks = .none, limit: Nanoseconds = .zero, origin: UInt64) {
        self.origin = origin
        switch wrong {
        case .none: (early, mayBeLate) = (0, false)
        // One more millisecond allows for rounding.
        case .one: (early, mayBeLate) = (limit.milliseconds + 1, true)
        case .all: (early, mayBeLate) = (nil, true)
        }
    }

    /// Extends the time within which a value expires, by the errors of the clocks. All times are milliseconds of the
    /// run.
    /// - Parameters:
    ///   - range: When the value expires by clocks that are right.
    ///   - invoked: When the change was requested that has set the expiry.
    func loosen(_ range: (from: UInt64, until: UInt64), invoked: UInt64) -> (from: UInt64, until: UInt64) {
        let from = early.map { range.from > $0 ? range.from - $0 : 0 } ?? min(invoked, range.from)
        return (from, mayBeLate ? .max : range.until)
    }
}

extension Call {
    var isListing: Bool { command.isOfPartition }

    /// True if the partition that the call is about had the key all the time.
    fileprivate func covers(_ key: Key) -> Bool {
        slots.partition(of: key.slot) == partition && (slotsAtEnd ?? slots).partition(of: key.slot) == partition
    }

    /// True if the outcome of the call depends on the key's register.
    fileprivate func concerns(_ key: Key) -> Bool {
        guard command != .count else { return false }
        guard case .list(let query) = command else { return self.key == key && consistency == .linearizable }
        guard covers(key) else { return false }
        guard case .answered(.listed(let keys, let more)) = end, key.bytes.starts(with: query.prefix),
            query.after.map({ RingOrder.precedes($0, key) }) ?? true
        else { return false }
        guard more, let last = keys.last else { return true }
        return !RingOrder.precedes(last, key)
    }
}

extension Call: CustomStringConvertible {
    var description: String {
        let how = consistency == .stale ? " (stale)" : ""
        let text =
            "node \(node) [\(milliseconds(invoked)) - \(milliseconds(completed))] \(key): \(command)\(how) -> \(end)"
        return text.split(separator: "KVCore.").joined()
    }
}

/// A time of the run as text, in milliseconds.
func milliseconds(_ time: UInt64) -> String {
    if time == RegisterOperation.open { return "open" }
    let micro = String(time / 1000 % 1000)
    return "\(time / 1_000_000).\(String(repeating: "0", count: 3 - micro.count))\(micro)"
}
