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
    var isRead: Bool { method == .GET }

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
        if let body { head.headers.add(name: "content-length", value: "\(body.count)") }
        return head
    }
}
