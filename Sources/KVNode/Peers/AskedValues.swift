import KVCore

// Values that a peer has asked for. This node cannot bound how many a peer asks for at a time, so values that do not
// fit are not sent: asking again does no harm.

extension PeerLink {
    /// The size in bytes below which a value is sent however much is queued.
    private static let smallValue = 1024

    /// True unless the message has a requested value that does not fit.
    func takesValue(of message: PeerMessage) -> Bool {
        guard let bytes = message.askedValue?.value?.count, bytes >= Self.smallValue else { return true }
        return queuedBytes + bytes <= options.valueLimit
    }
}

extension PeerMessage {
    /// The requested value in the message; nil for messages without one.
    fileprivate var askedValue: Record? {
        switch self {
        case .reply(_, .forwarded(.outcome(.found(let record)))): record
        case .reply(_, .quorumReadReply(let record)): record
        case .replica(_, .readResult(_, _, let record)): record
        case .reply(_, .forwarded), .replica, .request, .shards, .node: nil
        }
    }

    /// The message to send instead: a client's request is refused. A replica's is not answered, and it asks again.
    var refusal: PeerMessage? {
        guard case .reply(let id, .forwarded) = self else { return nil }
        return .reply(id, .forwarded(.outcome(.refused(.overloaded))))
    }
}
