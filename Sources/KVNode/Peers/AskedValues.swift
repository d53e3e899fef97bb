import KVCore

// Values that a peer has asked for. How many it asks for at a time is not this node's to bound, so what does not fit is
// not sent: asking again is harmless.

extension PeerLink {
    /// Bytes of a value that is sent whatever waits.
    private static let smallValue = 1024

    /// Whether a value that the message answers with fits, if it does.
    func takesValue(of message: PeerMessage) -> Bool {
        guard let bytes = message.askedValue?.value?.count, bytes >= Self.smallValue else { return true }
        return queuedBytes + bytes <= options.valueLimit
    }
}

extension PeerMessage {
    /// The value that it answers a question with; nil of all other messages.
    fileprivate var askedValue: Record? {
        switch self {
        case .reply(_, .forwarded(.outcome(.found(let record)))): record
        case .reply(_, .quorumReadReply(let record)): record
        case .replica(_, .readResult(_, _, let record)): record
        case .reply(_, .forwarded), .replica, .request, .shards, .node: nil
        }
    }

    /// What is sent in its place: to a client's request, that it is refused. A replica asks again.
    var refusal: PeerMessage? {
        guard case .reply(let id, .forwarded) = self else { return nil }
        return .reply(id, .forwarded(.outcome(.refused(.overloaded))))
    }
}
