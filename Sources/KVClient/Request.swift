import KVModel

/// A request of the HTTP interface, to be sent to any node.
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
    /// The slot of the key that it is about; nil where it is about no one key.
    let slot: Slot?
    /// The query but for the timeout, encoded.
    var parameters = ""
    var condition = Condition.always
    /// Media type; printable ASCII.
    var contentType = ""
    var body: [UInt8] = []
    /// Whether the server may have to wait for a leader, and takes a `timeout`.
    var waits = true
    /// Whether it may be sent twice.
    var mayRepeat: Bool
    /// It is about members and not about keys: where one node cannot tell, another may.
    var isAboutCluster = false
    /// Any replica will do.
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

    /// What to do when its outcome is not known.
    var advice: String { isAboutCluster ? "look at the plan (kv ring)" : "read the key" }
}
