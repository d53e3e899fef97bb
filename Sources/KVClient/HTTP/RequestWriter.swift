import KVModel
import NIOCore

/// Writes requests directly into the buffer: a few constants and numbers need no list of headers.
extension ByteBuffer {
    /// - Parameters:
    ///   - host: `HOST:PORT` of the node.
    ///   - remaining: the time for which the client waits for the answer.
    mutating func write(_ call: HTTPCall, host: String, remaining: TimeAmount) {
        writeStaticString(call.method.text)
        writeStaticString(" ")
        writeString(call.path)
        var separator: StaticString = "?"
        if !call.parameters.isEmpty {
            writeStaticString(separator)
            writeString(call.parameters)
            separator = "&"
        }
        if call.waits {
            writeStaticString(separator)
            writeStaticString("timeout=")
            writeString("\(Request.milliseconds(remaining: remaining.nanoseconds))")
            writeStaticString("ms")
        }
        writeStaticString(" HTTP/1.1\r\nhost: ")
        writeString(host)
        write(call.condition)
        if !call.contentType.isEmpty {
            writeStaticString("\r\ncontent-type: ")
            writeString(call.contentType)
        }
        if call.method != .get, call.method != .delete {
            writeStaticString("\r\ncontent-length: ")
            writeString("\(call.body.count)")
        }
        writeStaticString("\r\n\r\n")
        writeBytes(call.body)
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
}

/// `bytes`, percent-encoded for a URL.
func percentEncoded(_ bytes: [UInt8]) -> String { String(decoding: PercentEncoding.encoded(bytes), as: UTF8.self) }
