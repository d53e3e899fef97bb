import KVCore
import NIOCore

/// Writes whole answers, one behind the other, so that those of one read leave in one `write`.
///
/// It does not use `HTTPResponseEncoder`: an answer is a few constants and numbers, which need no header list, no
/// strings, and no separate writes for head, body and end.
struct AnswerWriter {
    /// Answers that are written and not yet taken.
    private(set) var pending: ByteBuffer
    private let allocator: ByteBufferAllocator
    /// This node's id.
    private let node: String
    /// Milliseconds since 1970, UTC.
    private let wallClock: @Sendable () -> UInt64
    private var date = HTTPDate()

    /// A buffer larger than this is given back after use, so that idle connections do not keep the memory of one large
    /// value.
    private static let keptCapacity = 16 * 1024

    init(allocator: ByteBufferAllocator, node: String, wallClock: @escaping @Sendable () -> UInt64) {
        self.allocator = allocator
        self.node = node
        self.wallClock = wallClock
        pending = allocator.buffer(capacity: 0)
    }

    /// Takes all pending answers.
    mutating func take() -> ByteBuffer {
        let taken = pending
        if pending.capacity > Self.keptCapacity {
            pending = allocator.buffer(capacity: 0)
        } else {
            pending.clear()
        }
        return taken
    }

    /// `100 Continue`.
    mutating func proceed() { pending.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n") }

    // MARK: - Whole answers

    mutating func found(_ record: Record, by node: String, _ response: PendingResponse) {
        let value = record.value ?? []
        let wall = begin(.ok, length: value.count)
        contentType(record.contentType)
        tag(record.version)
        if let left = record.expiry.left(at: wall) {
            // Rounded up, so that 0 is never said of a key that is there.
            pending.writeStaticString("KV-TTL: ")
            pending.writeDecimal(left / 1000 + (left % 1000 == 0 ? 0 : 1))
            pending.writeStaticString("\r\n")
        }
        endHead(by: node, response)
        if !response.omitsBody { pending.writeBytes(value) }
    }

    /// An answer without a body; `version` becomes its ETag.
    mutating func empty(_ status: HTTPStatus, version: Version?, by node: String, _ response: PendingResponse) {
        begin(status, length: nil)
        if let version { tag(version) }
        endHead(by: node, response)
    }

    mutating func text(_ text: String, _ response: PendingResponse) {
        begin(.ok, length: text.utf8.count)
        pending.writeStaticString("Content-Type: text/plain\r\n")
        endHead(by: node, response)
        if !response.omitsBody { pending.writeString(text) }
    }

    mutating func json(_ body: (inout JSONWriter) -> Void, _ response: PendingResponse) {
        var json = JSONWriter(capacity: 1024, allocator: allocator)
        body(&json)
        begin(.ok, length: json.buffer.readableBytes)
        pending.writeStaticString("Content-Type: application/json\r\n")
        endHead(by: node, response)
        if !response.omitsBody { pending.writeImmutableBuffer(json.buffer) }
    }

    /// - Parameter by: the node that refused; nil means this one.
    mutating func failure(_ failure: HTTPFailure, by node: String? = nil, _ response: PendingResponse) {
        var json = JSONWriter(capacity: 256, allocator: allocator)
        json.object { json in
            json.name("error")
            json.string("\(failure.code)")
            json.name("message")
            json.string(failure.message)
        }
        begin(failure.status, length: json.buffer.readableBytes)
        pending.writeStaticString("Content-Type: application/json\r\n")
        if let allow = failure.allow {
            pending.writeStaticString("Allow: ")
            pending.writeStaticString(allow)
            pending.writeStaticString("\r\n")
        }
        if failure.status.invitesRetry { pending.writeStaticString("Retry-After: 1\r\n") }
        if let version = failure.version { tag(version) }
        endHead(by: node ?? self.node, response)
        if !response.omitsBody { pending.writeImmutableBuffer(json.buffer) }
    }

    // MARK: - Parts

    /// Begins the head of an answer.
    /// - Returns: the time that it wrote, in milliseconds since 1970.
    @discardableResult
    private mutating func begin(_ status: HTTPStatus, length: Int?) -> UInt64 {
        let wall = wallClock()
        pending.writeStaticString(status.line)
        pending.writeStaticString("Date: ")
        pending.writeBytes(date.text(at: wall))
        pending.writeStaticString("\r\n")
        if let length {
            pending.writeStaticString("Content-Length: ")
            pending.writeDecimal(length)
            pending.writeStaticString("\r\n")
        }
        return wall
    }

    private mutating func contentType(_ type: String) {
        // Another protocol may have stored any type. A line break in it would let a value forge headers.
        guard !type.isEmpty, isMediaType(type) else {
            pending.writeStaticString("Content-Type: application/octet-stream\r\n")
            return
        }
        pending.writeStaticString("Content-Type: ")
        pending.writeString(type)
        pending.writeStaticString("\r\n")
    }

    private mutating func tag(_ version: Version) {
        pending.writeStaticString("ETag: \"")
        pending.writeDecimal(version.ballot.round)
        pending.writeStaticString(".")
        pending.writeDecimal(version.ballot.node.raw)
        pending.writeStaticString(".")
        pending.writeDecimal(version.sequence)
        pending.writeStaticString("\"\r\n")
    }

    private mutating func endHead(by node: String, _ response: PendingResponse) {
        pending.writeStaticString("KV-Node: ")
        pending.writeString(node)
        switch response.connection {
        case .implicit: pending.writeStaticString("\r\n\r\n")
        case .keepAlive: pending.writeStaticString("\r\nConnection: keep-alive\r\n\r\n")
        case .close: pending.writeStaticString("\r\nConnection: close\r\n\r\n")
        }
    }
}
