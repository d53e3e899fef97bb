import KVCore

// Short constructors for the tests' keys, records and commands, and accessors for outcomes.

extension Ballot {
    init(_ round: UInt64, _ node: UInt16) { self.init(round: round, node: NodeNumber(node)) }
}

extension Version {
    init(_ round: UInt64, _ node: UInt16, _ sequence: UInt64) {
        self.init(ballot: Ballot(round, node), sequence: sequence)
    }
}

extension Record {
    init(_ version: Version, _ text: String?) { self.init(version: version, value: text.map { Array($0.utf8) }) }
}

extension Command {
    static func put(_ text: String, _ condition: Condition = .always, lifetime: Lifetime = .unlimited) -> Command {
        .put(Put(value: Array(text.utf8), lifetime: lifetime, condition: condition))
    }

    static func update(
        _ change: Update.Change, _ requirement: Update.Requirement = .always, lifetime: Update.LifetimeChange = .keep,
        returnsPrevious: Bool = false
    ) -> Command {
        .update(
            Update(
                change, requirement: requirement, lifetime: lifetime, returnsPrevious: returnsPrevious,
                maximumLength: 1000))
    }

    static func add(_ amount: Int64) -> Command { .update(.add(amount)) }
    static func append(_ text: String) -> Command { .update(.append(Array(text.utf8))) }

    static let list = Command.list(ListQuery(prefix: [], after: nil, limit: 10))
}

extension Outcome {
    /// The text found; nil for any other outcome.
    var text: String? {
        guard case .found(let record) = self else { return nil }
        return record.value.map { String(decoding: $0, as: UTF8.self) }
    }

    var version: Version? {
        guard case .written(let version) = self else { return nil }
        return version
    }
}

extension Outcome {
    /// The number that an update has answered; nil for any other outcome.
    var sum: Int64? {
        guard case .updated(_, .applied(.integer(let sum))) = self else { return nil }
        return sum
    }
}
