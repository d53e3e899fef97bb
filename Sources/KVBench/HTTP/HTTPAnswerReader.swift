import NIOCore

/// Takes the answers of an HTTP/1.1 server out of the bytes it sends: those to GET and PUT, which is all there is here.
struct HTTPAnswerReader: AnswerReader {
    struct Answer: Hashable, Sendable {
        var status: Int
        /// `KV-Node`: who carried it out.
        var node: ByteBuffer?
        var body: ByteBuffer
    }

    /// Why the bytes are no answer.
    enum Failure: Error, Hashable, CustomStringConvertible {
        case malformed(String)
        case tooLarge(String)

        var description: String {
            switch self {
            case .malformed(let what): "not an HTTP answer: \(what)"
            case .tooLarge(let what): "an HTTP answer above the limits: \(what)"
            }
        }
    }

    /// Bytes.
    static let longestHead = 64 << 10
    /// Bytes.
    static let longestBody = 256 << 20

    private var buffer = ByteBuffer()
    /// Bytes from the reader index on that hold no end of a head.
    private var scanned = 0
    /// The head whose body is not all there.
    private var head: Head?

    private struct Head {
        var status = 0
        var node: ByteBuffer?
        var length: Int?
        var isChunked = false
    }

    mutating func feed(_ bytes: inout ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
            bytes = ByteBuffer()
        } else {
            buffer.discardReadBytes()
            buffer.writeBuffer(&bytes)
        }
    }

    mutating func next() throws -> Answer? {
        while true {
            guard let head = try head ?? takeHead() else { break }
            self.head = head
            guard let body = try takeBody(head) else { break }
            self.head = nil
            // 1xx: the answer itself is still to come.
            if head.status >= 200 { return Answer(status: head.status, node: head.node, body: body) }
        }
        if buffer.readableBytes == 0 { buffer = ByteBuffer() }
        return nil
    }

    // MARK: Head

    private mutating func takeHead() throws(Failure) -> Head? {
        let length: Int? = buffer.withUnsafeReadableBytes { bytes in
            var index = max(scanned - 3, 0)
            while index + 3 < bytes.count {
                if bytes[index + 3] == 0x0a, bytes[index + 2] == 0x0d, bytes[index + 1] == 0x0a, bytes[index] == 0x0d {
                    return index + 4
                }
                // No end can lie where its last byte is none of both.
                index += bytes[index + 3] == 0x0a || bytes[index + 3] == 0x0d ? 1 : 4
            }
            return nil
        }
        guard (length ?? buffer.readableBytes) <= Self.longestHead else {
            throw .tooLarge("a head of more than \(Self.longestHead) bytes")
        }
        guard let length, let lines = buffer.readSlice(length: length) else {
            scanned = buffer.readableBytes
            return nil
        }
        scanned = 0
        return try Self.parse(lines)
    }

    private static func parse(_ text: ByteBuffer) throws(Failure) -> Head {
        let view = text.readableBytesView
        var head = Head()
        // "HTTP/1.1 200"
        guard view.count > 12, view.starts(with: "HTTP/1.".utf8),
            let status = number(view[view.startIndex + 9..<view.startIndex + 12]), status >= 100
        else { throw .malformed("it does not begin with a status") }
        head.status = status
        for line in view.split(separator: 0x0a).dropFirst() {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let value = trimmed(line[line.index(after: colon)...])
            let name = line[..<colon]
            if equals(name, "content-length") {
                guard let length = number(value) else { throw .malformed("a length that is no number") }
                guard length <= longestBody else { throw .tooLarge("a body of \(length) bytes") }
                head.length = length
            } else if equals(name, "transfer-encoding") {
                guard equals(value, "chunked") else { throw .malformed("a transfer encoding that is not chunked") }
                head.isChunked = true
            } else if equals(name, "kv-node") {
                head.node = text.getSlice(at: value.startIndex, length: value.count)
            }
        }
        return head
    }

    private static func trimmed(_ bytes: ByteBufferView) -> ByteBufferView {
        var bytes = bytes
        while let first = bytes.first, first == 0x20 || first == 0x09 { bytes = bytes.dropFirst() }
        while let last = bytes.last, last == 0x20 || last == 0x09 || last == 0x0d { bytes = bytes.dropLast() }
        return bytes
    }

    private static func equals(_ bytes: ByteBufferView, _ name: StaticString) -> Bool {
        guard bytes.count == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { name in
            zip(bytes, name).allSatisfy { byte, wanted in
                byte == wanted || (0x41...0x5a ~= byte && byte | 0x20 == wanted)
            }
        }
    }

    /// Decimal digits alone.
    private static func number(_ digits: some Collection<UInt8>) -> Int? {
        guard 1...15 ~= digits.count else { return nil }
        var value = 0
        for digit in digits {
            guard 0x30...0x39 ~= digit else { return nil }
            value = value * 10 + Int(digit - 0x30)
        }
        return value
    }

    // MARK: Body

    private mutating func takeBody(_ head: Head) throws(Failure) -> ByteBuffer? {
        if head.status < 200 || head.status == 204 || head.status == 304 { return ByteBuffer() }
        if head.isChunked { return try takeChunks() }
        guard let length = head.length else { throw .malformed("a body without a length") }
        return buffer.readSlice(length: length)
    }

    /// All chunks; nil, and nothing taken, where the last is not there.
    private mutating func takeChunks() throws(Failure) -> ByteBuffer? {
        var rest = buffer
        var body = ByteBuffer()
        while true {
            guard let line = try Self.line(&rest) else { return nil }
            let digits = line.readableBytesView.prefix { $0 != UInt8(ascii: ";") }
            guard 1...8 ~= digits.count, let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0
            else { throw .malformed("a chunk without a size") }
            if size == 0 { break }
            guard body.readableBytes + size <= Self.longestBody else { throw .tooLarge("chunks") }
            guard var chunk = rest.readSlice(length: size) else { return nil }
            body.writeBuffer(&chunk)
            guard let end = try Self.line(&rest) else { return nil }
            guard end.readableBytes == 0 else { throw .malformed("a chunk that is longer than it says") }
        }
        // Trailers, up to an empty line.
        while let line = try Self.line(&rest) {
            guard line.readableBytes == 0 else { continue }
            buffer = rest
            return body
        }
        return nil
    }

    private static func line(_ bytes: inout ByteBuffer) throws(Failure) -> ByteBuffer? {
        guard let end = bytes.readableBytesView.firstIndex(of: 0x0a) else {
            guard bytes.readableBytes <= longestHead else { throw .tooLarge("a line") }
            return nil
        }
        guard var line = bytes.readSlice(length: end + 1 - bytes.readerIndex) else { return nil }
        let isEnded = line.readableBytesView.suffix(2).elementsEqual([0x0d, 0x0a])
        guard isEnded else { throw .malformed("a line without its end") }
        line.moveWriterIndex(to: line.writerIndex - 2)
        return line
    }
}
