import NIOCore

/// Parses the bytes of a connection into answers (RFC 9112). The limits below bound the memory that it takes, whatever
/// a server sends.
package struct AnswerParser {
    /// The bytes of a head, or of a line between two chunks, at most.
    package static let maximumHead = 64 << 10
    /// The largest body that is read. A value of the largest size and the ring of the most partitions are smaller.
    package static let maximumBody = 128 << 20

    private enum State {
        case head
        /// The body comes next, with this number of bytes.
        case body(Int)
        case chunkSize
        /// A chunk with this number of bytes comes next, and a line break.
        case chunk(Int)
        case trailer
    }

    package init() {}

    private var buffer = ByteBuffer()
    private var state = State.head
    private var message = AnswerMessage()
    /// The number of bytes after the reader index in which no head ends.
    private var searched = 0

    package mutating func append(_ bytes: ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.discardReadBytes()
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// Returns the next complete answer; nil if more bytes are needed.
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

    /// Returns the state after this head; nil if it belongs to an interim answer (1xx), which is skipped.
    private mutating func begin(_ head: AnswerHead) throws(AnswerFault) -> State? {
        if (100..<200).contains(head.message.status) {
            // After 101 the connection speaks another protocol.
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

    /// Reads the next head; nil if it is not complete.
    private mutating func head() throws(AnswerFault) -> AnswerHead? {
        let found = try buffer.withUnsafeReadableBytes { bytes throws(AnswerFault) -> (AnswerHead, Int)? in
            guard AnswerHead.mayBegin(bytes) else { throw .notHTTP }
            guard let end = endOfHead(bytes) else { return nil }
            return (try AnswerHead(UnsafeRawBufferPointer(rebasing: bytes[..<end])), end)
        }
        guard let (head, end) = found else {
            guard buffer.readableBytes <= Self.maximumHead else { throw AnswerFault("a head without an end") }
            // The last bytes are searched again: an empty line may begin in them.
            searched = max(buffer.readableBytes - 3, 0)
            return nil
        }
        guard end <= Self.maximumHead else { throw AnswerFault("a head without an end") }
        buffer.moveReaderIndex(forwardBy: end)
        searched = 0
        return head
    }

    /// The index after the empty line that ends the head; nil if it has not arrived.
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

    /// Reads a line between chunks, without its line break; nil if it is not complete.
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
