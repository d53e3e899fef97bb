import KVClient
import KVCore
import NIOCore

/// The adapter for the HTTP interface of `kv`.
final class HTTPAdapter: ProtocolAdapter {
    /// The id of the node at the other end, if it is known.
    private let id: String?
    private let starts: ScanStarts
    private let getTemplate: RequestTemplate
    private let putTemplate: RequestTemplate
    /// The text that follows the query of a scan.
    private let fields: [UInt8]
    private var values: Values
    private var parser = AnswerParser()
    private var isMisrouted = false

    /// - Parameter limit: the time that the server may take; nil means its default.
    init(_ address: Address, id: String?, limit: Nanoseconds?, values: Values, starts: ScanStarts) {
        let query = limit.map { "?timeout=\(max($0.milliseconds, 1))ms" } ?? ""
        let fields = " HTTP/1.1\r\nhost: \(address)\r\n"
        self.fields = Array("\(fields)\r\n".utf8)
        getTemplate = RequestTemplate(
            beforeKey: Array("GET /v1/kv/".utf8), afterKey: Array("\(query)\(fields)\r\n".utf8))
        putTemplate = RequestTemplate(
            beforeKey: Array("PUT /v1/kv/".utf8),
            afterKey: Array("\(query)\(fields)content-length: \(values.size)\r\n\r\n".utf8), afterValue: [])
        self.id = id
        self.values = values
        self.starts = starts
    }

    func write(_ request: WireRequest, to buffer: inout ByteBuffer) -> Int {
        switch request {
        case .get(let key): getTemplate.write(key: key, &values, to: &buffer)
        case .set(let key): putTemplate.write(key: key, &values, to: &buffer)
        case .scan(let at, let count):
            let cursor = starts[at]
            buffer.writeStaticString("GET /v1/kv?values=true&limit=")
            buffer.writeString(String(count))
            if !cursor.isEmpty {
                buffer.writeStaticString("&cursor=")
                buffer.writeBytes(cursor)
            }
            buffer.writeBytes(fields)
        }
        return 1
    }

    func feed(_ bytes: inout ByteBuffer) {
        parser.append(bytes)
        // Now only the parser refers to the bytes, so it can go on in the same memory.
        bytes = ByteBuffer()
    }

    func next() throws -> WireResult? {
        guard let answer = try parser.next() else { return nil }
        if let id, !answer.node.isEmpty, answer.node != id { isMisrouted = true }
        switch answer.status {
        case 200, 204: return .done
        case 404: return .missing
        case 429, 503: return .failed(.refused, Self.reason(answer))
        case 504: return .failed(.unknown, Self.reason(answer))
        default: return .failed(.other, Self.reason(answer))
        }
    }

    func takeMisrouted() -> Bool {
        defer { isMisrouted = false }
        return isMisrouted
    }

    private static func reason(_ answer: AnswerMessage) -> String {
        "\(answer.status) \(String(decoding: answer.body.prefix(200), as: UTF8.self))"
    }
}
