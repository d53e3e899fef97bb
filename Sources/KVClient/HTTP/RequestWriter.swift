import KVModel
import NIOCore

/// Writes requests directly into the buffer: a few constants, a key and numbers need no list of headers and no strings.
extension ByteBuffer {
    /// - Parameters:
    ///   - host: `HOST:PORT` of the node.
    ///   - remaining: the time for which the client waits for the answer.
    mutating func write(_ request: Request, host: String, remaining: TimeAmount) {
        writeStaticString(request.method.text)
        switch request.target {
        case .key(let key):
            writeStaticString(" /v1/kv/")
            writePercentEncoded(key.bytes)
        case .path(let path):
            writeStaticString(" ")
            writeString(path)
        }
        var separator: StaticString = "?"
        if !request.parameters.isEmpty {
            writeStaticString(separator)
            writeString(request.parameters)
            separator = "&"
        }
        if request.waits {
            // The server gives up a little earlier than the client, so that its answer, which says what happened,
            // arrives in time.
            let milliseconds = remaining.nanoseconds / 1_000_000
            writeStaticString(separator)
            writeStaticString("timeout=")
            writeDecimal(UInt64(max(milliseconds - min(250, milliseconds / 10), 1)))
            writeStaticString("ms")
        }
        writeStaticString(" HTTP/1.1\r\nhost: ")
        writeString(host)
        write(request.condition)
        if !request.contentType.isEmpty {
            writeStaticString("\r\ncontent-type: ")
            writeString(request.contentType)
        }
        if request.method != .get, request.method != .delete {
            writeStaticString("\r\ncontent-length: ")
            writeDecimal(UInt64(request.body.count))
        }
        writeStaticString("\r\n\r\n")
        writeBytes(request.body)
    }

    private mutating func write(_ condition: Condition) {
        switch condition {
        case .always: break
        case .ifAbsent: writeStaticString("\r\nif-none-match: *")
        case .ifPresent: writeStaticString("\r\nif-match: *")
        case .ifVersion(let version):
            writeStaticString("\r\nif-match: \"")
            writeString(version.description)
            writeStaticString("\"")
        }
    }

    private mutating func writePercentEncoded(_ bytes: [UInt8]) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: 3 * bytes.count) { PercentEncoding.encode(bytes, into: $0) }
    }

    private mutating func writeDecimal(_ number: UInt64) { writeString(String(number)) }
}

/// `bytes`, percent-encoded for a URL.
func percentEncoded(_ bytes: [UInt8]) -> String { String(decoding: PercentEncoding.encoded(bytes), as: UTF8.self) }
