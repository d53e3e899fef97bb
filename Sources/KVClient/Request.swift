import KVModel
import KVProtocol

/// A request to a node. It can go to any.
struct Request: Sendable {
    enum Kind: Sendable {
        /// An operation on a key, or a page of keys. It goes by the client protocol; by HTTP to a node that does not
        /// speak that yet.
        case operation(Key, ClientOperation)
        /// Everything about the cluster goes by HTTP.
        case call(HTTPCall)
    }

    let kind: Kind
    /// The slot of the request's key; nil if it is not about one key.
    let slot: Slot?
    /// Whether the request may be sent twice.
    var mayRepeat: Bool

    init(_ key: Key, _ operation: ClientOperation) {
        kind = .operation(key, operation)
        if case .list = operation { slot = nil } else { slot = key.slot }
        mayRepeat = operation.isRead
    }

    init(_ call: HTTPCall) {
        kind = .call(call)
        slot = nil
        mayRepeat = call.method == .get
    }

    /// The request is about members and not about keys. If one node cannot answer it, another may.
    var isAboutCluster: Bool { if case .call = kind { true } else { false } }

    /// Any replica may answer.
    var isStale: Bool { if case .operation(_, .get(.stale)) = kind { true } else { false } }

    /// The request as it goes over HTTP; nil if it cannot.
    var call: HTTPCall? {
        switch kind {
        case .call(let call): call
        case .operation(let key, let operation): HTTPCall(key, operation)
        }
    }

    /// What the user should do if the outcome is unknown.
    var advice: String { isAboutCluster ? "look at the plan (kv ring)" : "read the key" }

    /// The time that is asked of a node, if so much is left to the client: the node gives up a little earlier, so that
    /// its answer, which says what happened, arrives in time.
    static func milliseconds(remaining nanoseconds: Int64) -> UInt32 {
        let milliseconds = nanoseconds / 1_000_000
        return UInt32(clamping: max(milliseconds - min(250, milliseconds / 10), 1))
    }
}

/// A request of the HTTP interface.
struct HTTPCall: Sendable {
    enum Method {
        case get, put, delete, post

        var text: StaticString {
            switch self {
            case .get: "GET"
            case .put: "PUT"
            case .delete: "DELETE"
            case .post: "POST"
            }
        }
    }

    let method: Method
    /// Percent-encoded.
    let path: String
    /// The query without the timeout, percent-encoded.
    var parameters = ""
    var condition = Condition.always
    /// The media type, in printable ASCII.
    var contentType = ""
    var body: [UInt8] = []
    /// Whether the server may wait for a leader, and so takes a `timeout`.
    var waits = true

    init(_ method: Method, _ path: String, parameters: String = "") {
        self.method = method
        self.path = path
        self.parameters = parameters
    }
}
