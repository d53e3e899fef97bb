// The memory that waiting messages take, for the limits of queues.

extension PeerMessage {
    /// About how many bytes the message takes in memory, and never much less than it does.
    var heldBytes: Int {
        switch self {
        case .replica(_, let message): message.heldBytes
        case .request(let header, _): 256 + header.key.bytes.count
        case .reply(_, .quorumReadReply(let record)): 256 + (record?.value?.count ?? 0)
        case .reply(_, .forwarded), .shards, .node: 256
        }
    }
}

extension ReplicaMessage {
    /// About how many bytes the message takes in memory, and never much less than it does.
    var heldBytes: Int {
        switch self {
        case .accept(let key, let record): 256 + key.bytes.count + (record.value?.count ?? 0)
        case .read(_, let key): 128 + key.bytes.count
        case .readResult(_, let key, let record): 256 + key.bytes.count + (record?.value?.count ?? 0)
        case .leavesResult(_, let leaves, let contents): 256 + 16 * leaves.count + 8 * contents.count
        case .entriesResult(_, let entries): entries.reduce(256) { $0 + $1.key.bytes.count + 64 }
        case .preVote, .preVoteResult, .prepare, .prepareAfter, .promise, .reject, .transfer, .accepted, .confirm,
            .confirmed, .leaves,
            .entries, .purge, .dropReplica, .replicaDropped, .abstain, .consult, .complete, .completed:
            128
        }
    }
}
