import KVCore

// Short words for what the tests speak of.

extension Key: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { self.init(text) }
}

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
    /// The number that an update came to; nil for any other outcome.
    var sum: Int64? {
        guard case .updated(_, .applied(.integer(let sum))) = self else { return nil }
        return sum
    }
}

/// What a message is about, where it is of that kind.
extension PeerMessage {
    var preVoteResult: PartitionHeader? {
        guard case .replica(let header, .preVote) = self else { return nil }
        return header
    }

    var prepared: PartitionHeader? {
        guard case .replica(let header, .prepare) = self else { return nil }
        return header
    }

    var accepted: (header: PartitionHeader, key: Key, record: Record)? {
        guard case .replica(let header, .accept(let key, let record)) = self else { return nil }
        return (header, key, record)
    }

    var relayed: (id: RequestID, timeout: Nanoseconds, command: Command)? {
        guard case .request(let header, .relay(let timeout, let command)) = self else { return nil }
        return (header.id, timeout, command)
    }

    var confirmed: (header: PartitionHeader, round: UInt64)? {
        guard case .replica(let header, .confirm(let round)) = self else { return nil }
        return (header, round)
    }

    var asked: (header: PartitionHeader, id: UInt64, key: Key)? {
        guard case .replica(let header, .read(let id, let key)) = self else { return nil }
        return (header, id, key)
    }

    var forwarded: (id: RequestID, timeout: Nanoseconds, command: Command)? {
        guard case .request(let header, .forward(let timeout, let command)) = self else { return nil }
        return (header.id, timeout, command)
    }

    var result: ForwardResult? {
        guard case .reply(_, .forwarded(let result)) = self else { return nil }
        return result
    }

    var isTransfer: Bool {
        guard case .replica(_, .transfer) = self else { return false }
        return true
    }

    var quorumReadReply: RequestID? {
        guard case .request(let header, .quorumRead) = self else { return nil }
        return header.id
    }

    var isLeavesRequest: Bool {
        guard case .replica(_, .leaves) = self else { return false }
        return true
    }

    var isLeaderHeartbeat: Bool {
        guard case .shards(.leaderHeartbeat) = self else { return false }
        return true
    }
}
