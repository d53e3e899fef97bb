import NIOCore

/// Parses the replies of a server from the bytes that it sends, in either version of the Redis protocol.
///
/// It is for clients. It allocates nothing for a declared length before the bytes have arrived. It goes on where it
/// stopped, so a reply that arrives in pieces costs no more than one that arrives whole.
package struct RESPReplyReader: Sendable {
    /// The limits of one reply.
    package struct Limits: Hashable, Sendable {
        /// The depth of nested aggregates.
        package var depth = 16
        /// The bytes of one string.
        package var string = 512 << 20
        /// The bytes of one line: of simple strings, errors and numbers.
        package var line = 64 << 10
        /// The elements of all its aggregates together.
        package var elements = 1 << 20

        package init() {}
    }

    package enum Reply: Hashable, Sendable {
        case simple(ByteBuffer)
        /// An error of either kind: the text without its first byte.
        case error(ByteBuffer)
        case integer(Int64)
        /// A string of any bytes; the text of a verbatim string.
        case bulk(ByteBuffer)
        case null
        case boolean(Bool)
        case double(Double)
        /// The decimal digits.
        case bigNumber(ByteBuffer)
        case array([Reply])
        /// Keys and values alternately.
        case map([Reply])
        case set([Reply])
        /// A message that does not answer a request.
        case push([Reply])
    }

    /// Why the bytes are not a reply. The bytes after them cannot be read either.
    package enum Failure: Error, Hashable, Sendable {
        case malformed(String)
        case tooLarge(String)
    }

    private let limits: Limits
    private var buffer = ByteBuffer()
    /// The number of bytes from the reader index on that contain no end of a line.
    private var scanned = 0
    /// Aggregates that have begun and wait for more elements, outermost first.
    private var open: [Aggregate] = []
    /// The number of elements declared in the present reply.
    private var declared = 0

    private struct Aggregate {
        var type: UInt8
        var missing: Int
        var elements: [Reply] = []
    }

    private enum Element {
        case value(Reply)
        case aggregate(type: UInt8, count: Int)
    }

    package init(limits: Limits = Limits()) { self.limits = limits }

    /// Adds bytes that have arrived, and empties `bytes`.
    package mutating func feed(_ bytes: inout ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
            bytes = ByteBuffer()
        } else {
            buffer.discardReadBytes()
            buffer.writeBuffer(&bytes)
        }
    }

    /// The next reply; nil until it has arrived whole.
    package mutating func next() throws(Failure) -> Reply? {
        while let element = try element() {
            if let reply = try place(element) {
                declared = 0
                return reply
            }
        }
        // Release the memory, so that the allocator of the bytes can use it again.
        if buffer.readableBytes == 0 { buffer = ByteBuffer() }
        return nil
    }

    // MARK: Aggregates

    /// Adds an element to its aggregate. Returns the reply if that completes it.
    private mutating func place(_ element: Element) throws(Failure) -> Reply? {
        var reply: Reply
        switch element {
        case .value(let value): reply = value
        case .aggregate(let type, let count):
            guard count > 0 else {
                reply = Self.aggregate(type, [])
                break
            }
            declared += count
            guard declared <= limits.elements else { throw .tooLarge("\(declared) elements") }
            guard open.count < limits.depth else { throw .tooLarge("more than \(limits.depth) levels") }
            open.append(Aggregate(type: type, missing: count))
            return nil
        }
        while var innermost = open.popLast() {
            innermost.elements.append(reply)
            innermost.missing -= 1
            guard innermost.missing == 0 else {
                open.append(innermost)
                return nil
            }
            // Attributes describe what follows them, which is still to come.
            if innermost.type == UInt8(ascii: "|") { return nil }
            reply = Self.aggregate(innermost.type, innermost.elements)
        }
        return reply
    }

    private static func aggregate(_ type: UInt8, _ elements: [Reply]) -> Reply {
        switch type {
        case UInt8(ascii: "%"): .map(elements)
        case UInt8(ascii: "~"): .set(elements)
        case UInt8(ascii: ">"): .push(elements)
        default: .array(elements)
        }
    }

    // MARK: Elements

    /// Reads one value or the head of an aggregate. Nil when its bytes have not all arrived; they then remain.
    private mutating func element() throws(Failure) -> Element? {
        guard let length = try lineLength() else { return nil }
        let start = buffer.readerIndex
        guard let type: UInt8 = buffer.getInteger(at: start) else { throw .malformed("an empty line") }
        switch type {
        case UInt8(ascii: "$"), UInt8(ascii: "="), UInt8(ascii: "!"): return try string(type, lineLength: length)
        case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"):
            guard let count = try count(lineLength: length) else { return .value(.null) }
            return .aggregate(type: type, count: count)
        case UInt8(ascii: "%"), UInt8(ascii: "|"):
            guard let count = try count(lineLength: length) else { throw .malformed("a map of -1 entries") }
            guard count <= limits.elements else { throw .tooLarge("\(count) entries") }
            // Attributes without entries are skipped.
            if type == UInt8(ascii: "|"), count == 0 { return try element() }
            return .aggregate(type: type, count: 2 * count)
        default: return .value(try scalar(type, lineLength: length))
        }
    }

    private mutating func scalar(_ type: UInt8, lineLength: Int) throws(Failure) -> Reply {
        switch type {
        case UInt8(ascii: "+"): return .simple(takeLine(lineLength))
        case UInt8(ascii: "-"): return .error(takeLine(lineLength))
        case UInt8(ascii: "("): return .bigNumber(takeLine(lineLength))
        case UInt8(ascii: ":"):
            guard let value = integer(lineLength: lineLength) else { throw .malformed("an integer that is none") }
            skipLine(lineLength)
            return .integer(value)
        case UInt8(ascii: "_"):
            skipLine(lineLength)
            return .null
        case UInt8(ascii: "#"):
            switch String(buffer: takeLine(lineLength)) {
            case "t": return .boolean(true)
            case "f": return .boolean(false)
            default: throw .malformed("a boolean that is neither t nor f")
            }
        case UInt8(ascii: ","):
            guard let value = Double(String(buffer: takeLine(lineLength))) else {
                throw .malformed("a double that is none")
            }
            return .double(value)
        default: throw .malformed("byte \(type) begins no reply")
        }
    }

    private mutating func string(_ type: UInt8, lineLength: Int) throws(Failure) -> Element? {
        guard let declared = integer(lineLength: lineLength) else { throw .malformed("a length that is no number") }
        if declared == -1, type == UInt8(ascii: "$") {
            skipLine(lineLength)
            return .value(.null)
        }
        guard declared >= 0 else { throw .malformed("a length of \(declared)") }
        guard let count = Int(exactly: declared), count <= limits.string else {
            throw .tooLarge("a string of \(declared) bytes")
        }
        let start = buffer.readerIndex + lineLength + 2
        guard buffer.writerIndex - start >= count + 2 else { return nil }
        guard buffer.getInteger(at: start + count, as: UInt16.self) == 0x0d0a else {
            throw .malformed("a string that is longer than it says")
        }
        skipLine(lineLength)
        guard var bytes = buffer.readSlice(length: count) else { return nil }
        buffer.moveReaderIndex(forwardBy: 2)
        if type == UInt8(ascii: "=") {
            // Three letters and a colon give the format.
            guard bytes.getInteger(at: bytes.readerIndex + 3, as: UInt8.self) == UInt8(ascii: ":") else {
                throw .malformed("a verbatim string without its format")
            }
            bytes.moveReaderIndex(forwardBy: 4)
        }
        return .value(type == UInt8(ascii: "!") ? .error(bytes) : .bulk(bytes))
    }

    /// Consumes the first line, which is the head of an aggregate, and returns its count; nil for -1.
    private mutating func count(lineLength: Int) throws(Failure) -> Int? {
        guard let declared = integer(lineLength: lineLength) else { throw .malformed("a count that is no number") }
        guard declared >= -1 else { throw .malformed("a count of \(declared)") }
        guard let count = Int(exactly: declared), count <= limits.elements else {
            throw .tooLarge("\(declared) elements")
        }
        skipLine(lineLength)
        return count < 0 ? nil : count
    }

    // MARK: Lines

    /// The length of the first line, without its end; nil when the end has not arrived.
    private mutating func lineLength() throws(Failure) -> Int? {
        let (position, isEnded) = buffer.withUnsafeReadableBytes { bytes -> (Int, Bool?) in
            var position = min(scanned, bytes.count)
            while position < bytes.count, bytes[position] != 0x0d { position += 1 }
            return (position, position + 1 < bytes.count ? bytes[position + 1] == 0x0a : nil)
        }
        guard position <= limits.line else { throw .tooLarge("a line of more than \(limits.line) bytes") }
        scanned = position
        guard let isEnded else { return nil }
        guard isEnded else { throw .malformed("a line with a carriage return in it") }
        guard position > 0 else { throw .malformed("an empty line") }
        return position
    }

    /// Parses the first line after its first byte as an integer of 64 bits.
    private func integer(lineLength: Int) -> Int64? {
        buffer.withUnsafeReadableBytes { bytes in
            var digits = bytes[1..<lineLength]
            let isNegative = digits.first == UInt8(ascii: "-")
            if isNegative || digits.first == UInt8(ascii: "+") { digits.removeFirst() }
            guard !digits.isEmpty else { return nil }
            // Count downwards, since the least integer has no positive counterpart.
            var value: Int64 = 0
            for digit in digits {
                guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
                let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
                let (sum, underflow) = tens.subtractingReportingOverflow(Int64(digit - UInt8(ascii: "0")))
                guard !overflow, !underflow else { return nil }
                value = sum
            }
            if isNegative { return value }
            return value == .min ? nil : -value
        }
    }

    private mutating func skipLine(_ length: Int) {
        buffer.moveReaderIndex(forwardBy: length + 2)
        scanned = 0
    }

    private mutating func takeLine(_ length: Int) -> ByteBuffer {
        let line = buffer.getSlice(at: buffer.readerIndex + 1, length: length - 1) ?? ByteBuffer()
        skipLine(length)
        return line
    }
}

extension RESPReplyReader.Failure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed(let what): "not a Redis reply: \(what)"
        case .tooLarge(let what): "a Redis reply above the limits: \(what)"
        }
    }
}
