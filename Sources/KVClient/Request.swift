import KVCore
import NIOCore
import NIOHTTP1

/// A request of the HTTP interface, to be sent to any node.
struct Request {
    var method: HTTPMethod
    var path: String
    var query: String?
    var headers = HTTPHeaders()
    var body: [UInt8]?
    /// Whether the server may have to wait for a leader, and takes a `timeout`.
    var waits = true
    /// Whether it may be sent twice.
    var mayRepeat: Bool
    /// It is about members and not about keys: where one node cannot tell, another may.
    var isAboutCluster = false

    init(method: HTTPMethod, path: String, query: String? = nil, body: [UInt8]? = nil) {
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        mayRepeat = method == .GET
    }

    /// What to do when its outcome is not known.
    var advice: String { isAboutCluster ? "look at the plan (kv ring)" : "read the key" }

    mutating func add(_ condition: Condition) {
        switch condition {
        case .always: break
        case .ifVersion(let version): headers.add(name: "if-match", value: "\"\(version)\"")
        case .ifAbsent: headers.add(name: "if-none-match", value: "*")
        case .ifPresent: headers.add(name: "if-match", value: "*")
        }
    }

    func head(for endpoint: Address, within remaining: TimeAmount) -> HTTPRequestHead {
        var query = query
        if waits {
            // The server gives up a little earlier, so that its answer, which says what happened, arrives in time.
            let milliseconds = remaining.nanoseconds / 1_000_000
            let limit = max(milliseconds - min(250, milliseconds / 10), 1)
            query = (query.map { $0 + "&" } ?? "") + "timeout=\(limit)ms"
        }
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: query.map { "\(path)?\($0)" } ?? path)
        head.headers = headers
        head.headers.add(name: "host", value: "\(endpoint)")
        if let body {
            head.headers.add(name: "content-length", value: "\(body.count)")
        } else if method == .POST {
            // Without it an empty body would be sent in chunks.
            head.headers.add(name: "content-length", value: "0")
        }
        return head
    }
}
