import NIOCore

/// Takes the bytes of a connection apart into answers (RFC 9112). Nothing but its own limits decides what it allocates.
package struct AnswerParser {
    /// Bytes of a head, or of what stands between two chunks.
    package static let maximumHead = 64 << 10
    /// The largest body that is taken: a value of the largest size, or the ring of the most partitions, fits.
    package static let maximumBody = 128 << 20

    private enum State {
        case head
        /// So many bytes of the body are to come.
        case body(Int)
        case chunkSize
        /// So many bytes of the chunk are to come, and a line break.
        case chunk(Int)
        case trailer
    }

    package init() {}

    private var buffer = ByteBuffer()
    private var state = State.head
    private var message = AnswerMessage()
    /// Bytes after the reader index that are known to hold no line break.
    private var searched = 0

    package mutating func append(_ bytes: ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.discardReadBytes()
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// The next answer that is complete; nil where more bytes are needed.
    package mutating func next() throws(AnswerFault) -> AnswerMessage? {
        while true {
            switch state {
            case .head:
                guard let head = try head() else { return nil }
                guard let next = try begin(head) else { continue }
                if case .body(0) = next { return finish() }
                state = next
            case .body(let count):
                guard buffer.readableBytes >= count else { return nil }
                message.body = buffer.readBytes(length: count) ?? []
                return finish()
            case .chunkSize:
                guard let line = try line() else { return nil }
                guard let size = AnswerHead.chunkSize(line) else { throw AnswerFault("a chunk of no known size") }
                guard message.body.count + size <= Self.maximumBody else { throw Self.tooLarge }
                state = size == 0 ? .trailer : .chunk(size)
            case .chunk(let size):
                guard buffer.readableBytes >= size + 2 else { return nil }
                message.body += buffer.readBytes(length: size) ?? []
                guard buffer.readBytes(length: 2) == [0x0D, 0x0A] else { throw AnswerFault("a chunk without an end") }
                state = .chunkSize
            case .trailer:
                guard let line = try line() else { return nil }
                if line.isEmpty { return finish() }
            }
        }
    }

    private static let tooLarge = AnswerFault("an answer of more than \(maximumBody) bytes")

    private mutating func finish() -> AnswerMessage {
        defer {
            message = AnswerMessage()
            state = .head
        }
        return message
    }

    /// What comes after this head; nil where it is an interim one, before the answer's own.
    private mutating func begin(_ head: AnswerHead) throws(AnswerFault) -> State? {
        if (100..<200).contains(head.message.status) {
            // Another protocol would follow.
            guard head.message.status != 101 else { throw .notHTTP }
            return nil
        }
        message = head.message
        if message.status == 204 || message.status == 304 { return .body(0) }
        if head.isChunked {
            guard head.length == nil else { throw AnswerFault("an answer of two lengths") }
            return .chunkSize
        }
        guard let length = head.length else { throw AnswerFault("an answer of no known length") }
        guard length <= Self.maximumBody else { throw Self.tooLarge }
        return .body(length)
    }

    /// The head that comes next, once it is there as a whole.
    private mutating func head() throws(AnswerFault) -> AnswerHead? {
        let found = try buffer.withUnsafeReadableBytes { bytes throws(AnswerFault) -> (AnswerHead, Int)? in
            guard AnswerHead.mayBegin(bytes) else { throw .notHTTP }
            guard let end = endOfHead(bytes) else { return nil }
            return (try AnswerHead(UnsafeRawBufferPointer(rebasing: bytes[..<end])), end)
        }
        guard let (head, end) = found else {
            guard buffer.readableBytes <= Self.maximumHead else { throw AnswerFault("a head without an end") }
            // A line break that is the last byte may be the first of two.
            searched = max(buffer.readableBytes - 3, 0)
            return nil
        }
        guard end <= Self.maximumHead else { throw AnswerFault("a head without an end") }
        buffer.moveReaderIndex(forwardBy: end)
        searched = 0
        return head
    }

    /// Past the empty line.
    private func endOfHead(_ bytes: UnsafeRawBufferPointer) -> Int? {
        var index = searched
        while index < bytes.count {
            defer { index += 1 }
            guard bytes[index] == 0x0A else { continue }
            if index + 1 < bytes.count, bytes[index + 1] == 0x0A { return index + 2 }
            if index + 2 < bytes.count, bytes[index + 1] == 0x0D, bytes[index + 2] == 0x0A { return index + 3 }
        }
        return nil
    }

    /// A line between chunks, without its end.
    private mutating func line() throws(AnswerFault) -> [UInt8]? {
        guard let length = buffer.readableBytesView.firstIndex(of: 0x0A).map({ $0 - buffer.readerIndex }) else {
            guard buffer.readableBytes <= Self.maximumHead else { throw AnswerFault("a line without an end") }
            return nil
        }
        guard length <= Self.maximumHead else { throw AnswerFault("a line without an end") }
        var line = buffer.readBytes(length: length) ?? []
        buffer.moveReaderIndex(forwardBy: 1)
        if line.last == 0x0D { line.removeLast() }
        return line
    }
}
