import KVCore

// Properties by which tests pick out messages of one kind (`ManualNode.takeSent`). Each has the name of its message and
// is nil for every other one.

extension PeerMessage {
    var preVote: PartitionHeader? {
        guard case .replica(let header, .preVote) = self else { return nil }
        return header
    }

    var prepare: PartitionHeader? {
        guard case .replica(let header, .prepare) = self else { return nil }
        return header
    }

    var accept: (header: PartitionHeader, key: Key, record: Record)? {
        guard case .replica(let header, .accept(let key, let record)) = self else { return nil }
        return (header, key, record)
    }

    var relay: (id: RequestID, timeout: Nanoseconds, command: Command)? {
        guard case .request(let header, .relay(let timeout, let command)) = self else { return nil }
        return (header.id, timeout, command)
    }

    var confirm: (header: PartitionHeader, round: UInt64)? {
        guard case .replica(let header, .confirm(let round)) = self else { return nil }
        return (header, round)
    }

    var read: (header: PartitionHeader, id: UInt64, key: Key)? {
        guard case .replica(let header, .read(let id, let key)) = self else { return nil }
        return (header, id, key)
    }

    var forward: (id: RequestID, timeout: Nanoseconds, command: Command)? {
        guard case .request(let header, .forward(let timeout, let command)) = self else { return nil }
        return (header.id, timeout, command)
    }

    var forwardResult: ForwardResult? {
        guard case .reply(_, .forwarded(let result)) = self else { return nil }
        return result
    }

    var isTransfer: Bool {
        guard case .replica(_, .transfer) = self else { return false }
        return true
    }

    var quorumRead: RequestID? {
        guard case .request(let header, .quorumRead) = self else { return nil }
        return header.id
    }

    var isLeavesRequest: Bool {
        guard case .replica(_, .leaves) = self else { return false }
        return true
    }

    /// What the sender says that it leads.
    var listed: [Leadership]? {
        switch self {
        case .shards(.leaderHeartbeat(_, let led)): led
        case .shards(.leaderships(_, let update)): update.begun
        default: nil
        }
    }

    var leaderships: LeadershipUpdate? {
        guard case .shards(.leaderships(_, let update)) = self else { return nil }
        return update
    }

    var isLeaderHeartbeat: Bool {
        switch self {
        case .shards(.leaderHeartbeat), .shards(.leaderships): true
        default: false
        }
    }
}
