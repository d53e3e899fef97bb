import KVCore

/// What the fields of fixed or varint size of any message come to, at most: a forwarded put with a condition takes 120.
private let fixedBound = 160

extension PeerMessage {
    /// No encoding of this message is longer. A little generous, so as to be quick.
    var encodedBound: Int {
        switch self {
        case .canvass, .canvassed, .prepare, .promise, .reject, .accepted, .confirm, .confirmed, .leaves, .entries,
            .transfer, .outdated, .heartbeat:
            fixedBound
        case .accept(_, let key, let record): fixedBound + key.bytes.count + record.variableSize
        case .read(_, _, let key), .peek(_, _, _, let key): fixedBound + key.bytes.count
        case .readResult(_, _, let key, let record): fixedBound + key.bytes.count + (record?.variableSize ?? 0)
        case .peeked(_, let record): fixedBound + (record?.variableSize ?? 0)
        case .leavesResult(_, let leaves): fixedBound + 16 * leaves.count
        case .entriesResult(_, _, let entries):
            entries.reduce(fixedBound) { $0 + $1.key.bytes.count + 2 * ByteWriter.varintBound + 8 }
        case .leading(_, let leaderships): fixedBound + (ByteWriter.varintBound + 8) * leaderships.count
        case .forward(_, _, _, let key, _, let command): fixedBound + key.bytes.count + command.variableSize
        case .forwarded(_, let result): fixedBound + result.variableSize
        }
    }
}

extension Record {
    fileprivate var variableSize: Int { contentType.utf8.count + (value?.count ?? 0) }
}

extension Command {
    fileprivate var variableSize: Int {
        switch self {
        case .get, .delete: 0
        case .put(let put): put.value.count + put.contentType.utf8.count
        case .list(let query): query.prefix.count + (query.after?.bytes.count ?? 0)
        }
    }
}

extension ForwardResult {
    fileprivate var variableSize: Int {
        switch self {
        case .outcome(.found(let record)): record.variableSize
        case .outcome(.listed(let keys, _)): keys.reduce(0) { $0 + $1.bytes.count + ByteWriter.varintBound }
        case .outcome, .notLeader: 0
        }
    }
}
