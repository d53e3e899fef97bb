import KVCore

/// What the fields of fixed or varint size of any message come to, at most: a forwarded put with a condition takes 120.
private let fixedBound = 160

extension PeerMessage {
    /// No encoding of this message is longer. A little generous, so as to be quick.
    var encodedBound: Int {
        switch self {
        case .canvass, .canvassed, .prepare, .promise, .reject, .accepted, .confirm, .confirmed, .leaves, .entries,
            .transfer, .outdated, .heartbeat, .progress, .purge, .relinquish, .relinquished:
            fixedBound
        case .accept(_, let key, let record): fixedBound + key.bytes.count + record.variableSize
        case .read(_, _, let key), .peek(_, _, _, let key): fixedBound + key.bytes.count
        case .readResult(_, _, let key, let record): fixedBound + key.bytes.count + (record?.variableSize ?? 0)
        case .peeked(_, let record): fixedBound + (record?.variableSize ?? 0)
        case .leavesResult(_, _, let leaves, let contents): fixedBound + 16 * leaves.count + 8 * contents.count
        case .entriesResult(_, _, let entries):
            entries.reduce(fixedBound) { $0 + $1.key.bytes.count + 2 * ByteWriter.varintBound + 12 }
        case .leading(_, let leaderships): fixedBound + (ByteWriter.varintBound + 8) * leaderships.count
        case .forward(_, _, _, let key, _, let command), .relay(_, _, _, let key, _, let command):
            fixedBound + key.bytes.count + command.variableSize
        case .forwarded(_, let result): fixedBound + result.variableSize
        case .cluster(let message): fixedBound + message.variableSize
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
        case .report(let report): 16 * report.partitions.count + 64 * report.moves.count
        case .announce(let applicant):
            applicant.id.utf8.count + applicant.zone.utf8.count + applicant.client.host.utf8.count
                + applicant.peer.host.utf8.count
        case .ask(_, .change(let change, _)):
            change.joins.reduce(0) {
                $0 + 64 + $1.id.utf8.count + ($1.zone?.utf8.count ?? 0) + ($1.replaces?.utf8.count ?? 0)
            } + bound(of: change.leaves)
        case .ask: 0
        case .told(_, .plan(let plan)):
            plan.map {
                bound(of: $0.joining) + bound(of: $0.leaving) + $0.underWay.reduce(0) { $0 + $1.bound }
                    + $0.shares.reduce(0) { $0 + $1.id.utf8.count + 5 * ByteWriter.varintBound }
            } ?? 0
        case .told(_, .refused(_, let text)): text.utf8.count
        case .told: 0
        }
    }

    private func bound(of names: [String]) -> Int {
        names.reduce(0) { $0 + $1.utf8.count + ByteWriter.varintBound }
    }
}

extension MoveStatus {
    fileprivate var bound: Int { 64 + 3 * (from.count + to.count) }
}
