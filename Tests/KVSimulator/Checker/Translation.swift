import KVCore

/// Turns the calls that concern one key into operations on a register.
struct Translation {
    private(set) var operations: [RegisterOperation] = []
    var violations: [Violation] = []

    private enum Source {
        case call(Call)
        case expiry(from: UInt64, until: UInt64, end: Int)
    }

    private let key: Key
    let ledger: Ledger
    private let end: UInt64
    private let clocks: ClockSlack
    private let ranks: [Version: Int]
    /// Some call sets a value that keeps the expiry of the value before.
    private let keepsEnds: Bool
    /// Some update was applied because the value had an expiry.
    private let requiresEnds: Bool
    /// The lowest rank under which each value was seen.
    private let firstRanks: [Int: Int]
    /// The source of each operation. The key is the operation as `Shrinker` may leave it.
    private var sources: [RegisterOperation: Source] = [:]

    /// - Parameter calls: All calls that concern the key.
    init(key: Key, calls: [Call], ledger: Ledger, end: UInt64, clocks: ClockSlack) {
        self.key = key
        self.ledger = ledger
        self.end = end
        self.clocks = clocks
        let versions = Set(calls.flatMap(\.versions)).sorted()
        ranks = Dictionary(uniqueKeysWithValues: zip(versions, 1...))
        var firstRanks: [Int: Int] = [:]
        for (version, rank) in ranks {
            if let value = ledger.value(key, version) { firstRanks[value] = min(rank, firstRanks[value] ?? rank) }
        }
        self.firstRanks = firstRanks
        keepsEnds = calls.contains(where: \.keepsEnd)
        requiresEnds = calls.contains(where: \.requiredEnd)
        for call in calls { add(call) }
        checkVersions(calls)
    }

    /// The sources of operations as lines of text, in order of invocation.
    func lines(_ chosen: [RegisterOperation]) -> [String] {
        chosen.sorted { $0.invoked < $1.invoked }.map { operation in
            switch sources[operation.cutShort] {
            case .call(let call): "\(call)"
            case .expiry(let from, let until, let end):
                "[\(from) - \(until == .max ? "open" : "\(until)")] \(end) expires"
            case nil: "\(operation)"
            }
        }
    }

    private mutating func add(_ call: Call) {
        switch call.command {
        case .get: addGet(call)
        case .list:
            if case .answered(.listed(let keys, _)) = call.end { add(call, .presence(keys.contains(key))) }
        case .put(let put):
            guard addChange(call, put.condition, effect: { .write(SeenValue(call.value, stamp: $0), $1) })
            else { return }
            addExpiry(call, put.lifetime, end: call.value)
        case .count:
            // It has counted all keys of the partition, or none.
            if case .answered(.counted(let count)) = call.end { add(call, .presence(count > 0)) }
        case .update(let update): addUpdate(call, update)
        case .delete(let condition):
            _ = addChange(call, condition, effect: { .erase($1) })
        }
    }

    private mutating func addGet(_ call: Call) {
        switch call.end {
        case .answered(.found(let record)):
            guard let content = record.value.flatMap(Content.init) else {
                return violations.append(Violation(.versions, "nobody wrote what was found: \(call)"))
            }
            add(call, .read(SeenValue(content.value, stamp: ranks[record.version] ?? 0)))
        case .answered(.absent): add(call, .read(nil))
        default: return
        }
    }

    /// Adds a put or a delete.
    /// - Returns: True if the change took effect, or may have.
    private mutating func addChange(
        _ call: Call, _ condition: Condition, effect: (Int, Requirement) -> Step
    ) -> Bool {
        switch call.end {
        case .answered(.written(let version)):
            add(call, effect(stamp(call.value, version), requirement(condition)))
            return true
        case .answered(.absent):
            add(call, .read(nil))
            return false
        case .answered(.conditionFailed(let met)):
            add(call, .mismatch(required: requirement(condition), met: met.map(sight)))
            return false
        case .answered(.unknown), .lost, .pending:
            addOpen(call, effect(0, requirement(condition)))
            return true
        case .answered: return false
        }
    }

    /// Checks that no read shows the value of a write under an earlier version than its client was told before the
    /// read.
    private mutating func checkVersions(_ calls: [Call]) {
        var told: [Int: (version: Version, time: UInt64)] = [:]
        for call in calls {
            switch call.end {
            case .answered(.written(let version)): told[call.value] = (version, call.completed)
            case .answered(.updated(let version?, let result)):
                if let value = call.value(after: result) { told[value] = (version, call.completed) }
            default: continue
            }
        }
        told[0] = nil
        for call in calls {
            guard case .answered(let outcome) = call.end, let version = outcome.seen,
                let value = ledger.value(key, version), let told = told[value],
                version < told.version, told.time < call.invoked
            else { continue }
            violations.append(Violation(.versions, "\(value) was written as \(told.version) before: \(call)"))
        }
    }

    mutating func add(_ call: Call, _ step: Step) {
        record(RegisterOperation(call.invoked, call.completed, step), call)
    }

    /// Adds an operation that may have taken effect, or may take effect later.
    mutating func addOpen(_ call: Call, _ step: Step) {
        record(RegisterOperation(call.invoked, RegisterOperation.open, step), call)
    }

    /// The stamp of a value. The first version under which the value was seen counts, because a leader that re-proposes
    /// a change under its next ballot answers with the last version.
    func stamp(_ value: Int, _ version: Version) -> Int { firstRanks[value] ?? ranks[version] ?? 0 }

    private mutating func record(_ operation: RegisterOperation, _ call: Call) {
        var operation = operation
        if operation.step.changes { operation.rank = rank(call) }
        operations.append(operation)
        sources[operation.cutShort] = .call(call)
    }

    private func rank(_ call: Call) -> Int {
        let told: Int? =
            switch call.end {
            case .answered(.written(let version)), .answered(.updated(let version?, _)): ranks[version]
            default: nil
            }
        let seen = call.value == 0 ? nil : firstRanks[call.value]
        return seen ?? told ?? 0
    }

    /// Adds the expiry of a value. It lies between the earliest and the latest time that the leader can have computed.
    mutating func addExpiry(_ call: Call, _ lifetime: Lifetime, end: Int) {
        var from: UInt64
        var until: UInt64
        switch lifetime {
        case .unlimited: return
        case .milliseconds(let span):
            from = call.invoked / 1_000_000 + span
            if case .answered = call.end, !call.isUnknown {
                until = call.completed / 1_000_000 + span
            } else {
                guard mayShow(call, from: clocks.early == nil ? 0 : clocks.loosen((from, from), invoked: 0).from)
                else { return }
                // The change may take effect at any time until the end of the run.
                until = self.end
            }
        case .until(let wall):
            from = wall > clocks.origin ? wall - clocks.origin : 0
            until = from
        }
        (from, until) = clocks.loosen((from, until), invoked: call.invoked / 1_000_000)
        let isOpen = until >= self.end / 1_000_000
        let operation = RegisterOperation(
            from * 1_000_000, isOpen ? RegisterOperation.open : until * 1_000_000, .expire(end))
        operations.append(operation)
        sources[operation.cutShort] = .expiry(from: from, until: until, end: end)
    }

    /// True if somebody may have noticed the expiry of a change whose outcome is unknown. The expiry is at `from` or
    /// later.
    private func mayShow(_ call: Call, from: UInt64) -> Bool {
        // If no store has had the record, it was not proposed, or was overwritten within the same tick. Then its expiry
        // shows only if the next record kept it, or if the change in between required a record with an expiry.
        if call.value != 0 { return keepsEnds || ledger.hasStored(call.write) }
        return requiresEnds
            || ledger.hasStored(key, expiring: (clocks.early == nil ? 0 : clocks.origin + from)...UInt64.max)
    }

    private func requirement(_ condition: Condition) -> Requirement {
        switch condition {
        case .always: .nothing
        case .ifAbsent: .absent
        case .ifPresent: .present
        // A version that no replica ever stored matches nothing.
        case .ifVersion(let version): .exactly(known(version) ?? SeenValue(-1))
        }
    }

    private func known(_ version: Version) -> SeenValue? {
        guard let value = ledger.value(key, version), value != 0 else { return nil }
        return SeenValue(value, stamp: ranks[version] ?? 0)
    }

    /// The value that a version names. If a change and a later one of the same key were proposed in one tick, no store
    /// has had the first one's version. If the first one's client was not answered either, the value is unidentified.
    private func sight(_ version: Version) -> SeenValue {
        known(version) ?? SeenValue(SeenValue.unidentified, stamp: ranks[version] ?? 0)
    }
}

extension RegisterOperation {
    /// The operation without the parts that `Shrinker` may change: its completion, and the requirement of a write.
    fileprivate var cutShort: RegisterOperation {
        if case .write(let sight, _) = step { return RegisterOperation(invoked, Self.open, .write(sight, .nothing)) }
        return RegisterOperation(invoked, Self.open, step)
    }
}

extension Call {
    /// All versions in the call and its outcome.
    fileprivate var versions: [Version] {
        var versions: [Version] = []
        switch command {
        case .put(let put): if case .ifVersion(let version) = put.condition { versions.append(version) }
        case .delete(.ifVersion(let version)): versions.append(version)
        default: break
        }
        guard case .answered(let outcome) = end else { return versions }
        switch outcome {
        case .found(let record): versions.append(record.version)
        case .written(let version): versions.append(version)
        case .conditionFailed(let version?), .updated(let version?, _): versions.append(version)
        default: break
        }
        return versions
    }
}

extension Outcome {
    /// The version of the register that the call saw.
    fileprivate var seen: Version? {
        switch self {
        case .found(let record): record.version
        case .conditionFailed(let version): version
        default: nil
        }
    }
}
