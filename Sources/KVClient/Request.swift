import KVModel

/// A request of the HTTP interface. It can go to any node.
struct Request: Sendable {
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

    enum Target {
        case key(Key)
        case path(String)
    }

    let method: Method
    let target: Target
    /// The slot of the request's key; nil if it is not about one key.
    let slot: Slot?
    /// The query without the timeout, percent-encoded.
    var parameters = ""
    var condition = Condition.always
    /// The media type, in printable ASCII.
    var contentType = ""
    var body: [UInt8] = []
    /// Whether the server may wait for a leader, and so takes a `timeout`.
    var waits = true
    /// Whether the request may be sent twice.
    var mayRepeat: Bool
    /// The request is about members and not about keys. If one node cannot answer it, another may.
    var isAboutCluster = false
    /// Any replica may answer.
    var isStale = false

    init(_ method: Method, _ key: Key) {
        self.method = method
        target = .key(key)
        slot = key.slot
        mayRepeat = method == .get
    }

    init(_ method: Method, path: String, parameters: String = "") {
        self.method = method
        target = .path(path)
        slot = nil
        self.parameters = parameters
        mayRepeat = method == .get
    }

    /// What the user should do if the outcome is unknown.
    var advice: String { isAboutCluster ? "look at the plan (kv ring)" : "read the key" }
}
