import KVCore

/// The most bytes of all fields of fixed or varint size in a message: a forwarded put with a condition takes 120.
private let fixedBound = 160

extension PeerMessage {
    /// An upper bound of the encoding's size. It is generous, so that it is quick to compute.
    var encodedBound: Int {
        switch self {
        case .replica(_, let message): fixedBound + message.variableSize
        case .request(let header, let message): fixedBound + header.key.bytes.count + message.variableSize
        case .reply(_, let message): fixedBound + message.variableSize
        case .shards(let message): fixedBound + message.variableSize
        case .node(let message): fixedBound + message.variableSize
        }
    }
}

extension ReplicaMessage {
    fileprivate var variableSize: Int {
        switch self {
        case .preVote, .preVoteResult, .prepare, .prepareAfter, .promise, .reject, .transfer, .accepted, .confirm,
            .confirmed, .leaves,
            .entries, .purge, .dropReplica, .replicaDropped, .abstain, .consult, .complete, .completed:
            0
        case .accept(let key, let record): key.bytes.count + record.variableSize
        case .read(_, let key): key.bytes.count
        case .readResult(_, let key, let record): key.bytes.count + (record?.variableSize ?? 0)
        case .leavesResult(_, let leaves, let contents): 17 * leaves.count + 8 * contents.count + 1
        case .entriesResult(_, let entries):
            entries.reduce(0) { $0 + $1.key.bytes.count + 2 * ByteWriter.varintBound + 12 }
        }
    }
}

extension RequestMessage {
    fileprivate var variableSize: Int {
        switch self {
        case .forward(_, let command), .relay(_, let command): command.variableSize
        case .quorumRead: 0
        }
    }
}

extension ReplyMessage {
    fileprivate var variableSize: Int {
        switch self {
        case .forwarded(let result): result.variableSize
        case .quorumReadReply(let record): record?.variableSize ?? 0
        }
    }
}

extension ShardsMessage {
    fileprivate var variableSize: Int {
        switch self {
        case .leaderHeartbeat(_, let leaderships): (ByteWriter.varintBound + 8) * leaderships.count
        case .leaderships(_, let update):
            (ByteWriter.varintBound + 8) * update.begun.count + ByteWriter.varintBound * update.ended.count
                + 2 * ByteWriter.varintBound * update.others.count
        case .support(let answer): ByteWriter.varintBound * answer.taken.count
        case .outdated, .leadershipsWanted, .supportWanted: 0
        }
    }
}

extension NodeMessage {
    fileprivate var variableSize: Int {
        switch self {
        case .usageReport, .progress, .clock, .doubt: 0
        case .cluster(let message): message.variableSize
        }
    }
}

extension Record {
    fileprivate var variableSize: Int { contentType.utf8.count + (value?.count ?? 0) }
}

extension Command {
    fileprivate var variableSize: Int {
        switch self {
        case .get, .delete, .count: 0
        case .put(let put): put.value.count + put.contentType.utf8.count
        case .list(let query): query.prefix.count + (query.after?.bytes.count ?? 0)
        case .update(let update): update.variableSize
        }
    }
}

extension Update {
    fileprivate var variableSize: Int {
        let required = if case .equals(let value) = requirement { value.count } else { 0 }
        switch change {
        case .set(let value, let contentType): return required + value.count + contentType.utf8.count
        case .append(let bytes), .overwrite(_, let bytes), .addNumber(let bytes): return required + bytes.count
        case .remove, .keep, .add: return required
        }
    }
}

extension ForwardResult {
    fileprivate var variableSize: Int {
        switch self {
        case .outcome(.found(let record)): record.variableSize
        case .outcome(.listed(let keys, _)): keys.reduce(0) { $0 + $1.bytes.count + ByteWriter.varintBound }
        case .outcome(.updated(_, .applied(.bytes(let value)))), .outcome(.updated(_, .notApplied(.bytes(let value)))):
            value.count
        case .outcome, .notLeader: 0
        }
    }
}

extension ClusterMessage {
    fileprivate var variableSize: Int {
        switch self {
        case .topologyWanted: 0
        case .topology(let topology): topology.encodedBound
        case .topologyChanges(let changes): changes.reduce(0) { $0 + $1.encodedBound }
        case .report(let report): 16 * report.partitions.count + 64 * report.moves.count
        case .prepared: 0
        case .announce(let pendingNode):
            pendingNode.id.utf8.count + pendingNode.zone.utf8.count + pendingNode.client.host.utf8.count
                + pendingNode.peer.host.utf8.count
        case .control(_, .change(let change, _)):
            change.joins.reduce(0) {
                $0 + 64 + $1.id.utf8.count + ($1.zone?.utf8.count ?? 0) + ($1.replaces?.utf8.count ?? 0)
            } + bound(of: change.leaves)
        case .control: 0
        case .controlReply(_, .plan(let plan)):
            plan.map {
                bound(of: $0.joining) + bound(of: $0.leaving) + $0.underWay.reduce(0) { $0 + $1.bound }
                    + $0.shares.reduce(0) { $0 + $1.id.utf8.count + 5 * ByteWriter.varintBound }
            } ?? 0
        case .controlReply(_, .refused(_, let text)): text.utf8.count
        case .controlReply: 0
        }
    }

    private func bound(of names: [String]) -> Int {
        names.reduce(0) { $0 + $1.utf8.count + ByteWriter.varintBound }
    }
}

extension MoveStatus {
    fileprivate var bound: Int { 64 + 3 * (from.count + to.count) }
}
