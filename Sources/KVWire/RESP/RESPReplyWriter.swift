import NIOCore

/// The versions of the Redis protocol.
package enum RESPVersion: Int, Hashable, Sendable {
    case resp2 = 2
    case resp3 = 3
}

/// Writes replies, one after the other, in either version of the Redis protocol. Types that the older version lacks are
/// written as its clients expect them: maps and sets as arrays, numbers and booleans as strings and integers.
package struct RESPReplyWriter: Sendable {
    /// The replies that were written and not taken yet.
    package private(set) var pending: ByteBuffer
    package var version = RESPVersion.resp2

    /// A buffer larger than this is released after use, so that idle connections do not keep the memory of one large
    /// value.
    private static let keptCapacity = 64 * 1024

    package init(pending: ByteBuffer = ByteBuffer()) { self.pending = pending }

    /// Returns all pending replies. Later replies are written from the beginning again.
    package mutating func take() -> ByteBuffer {
        let taken = pending
        if pending.capacity > Self.keptCapacity {
            pending = ByteBuffer()
        } else {
            pending.clear()
        }
        return taken
    }

    // MARK: Replies

    /// Writes a line without line breaks.
    package mutating func simple(_ text: StaticString) {
        pending.writeInteger(UInt8(ascii: "+"))
        pending.writeStaticString(text)
        endLine()
    }

    /// Writes an error. Its first word is the kind of error. Line breaks become spaces.
    package mutating func error(_ text: [UInt8]) {
        pending.writeInteger(UInt8(ascii: "-"))
        if text.contains(where: { $0 == 0x0d || $0 == 0x0a }) {
            pending.writeBytes(text.map { $0 == 0x0d || $0 == 0x0a ? 0x20 : $0 })
        } else {
            pending.writeBytes(text)
        }
        endLine()
    }

    package mutating func integer(_ value: Int64) {
        pending.writeInteger(UInt8(ascii: ":"))
        pending.writeDecimal(value)
        endLine()
    }

    @inline(__always)
    package mutating func bulk(_ bytes: [UInt8]) {
        head(UInt8(ascii: "$"), bytes.count)
        pending.writeBytes(bytes)
        endLine()
    }

    package mutating func bulk(_ text: String) {
        head(UInt8(ascii: "$"), text.utf8.count)
        pending.writeString(text)
        endLine()
    }

    /// Writes text that clients show as it is.
    package mutating func verbatim(_ text: String) {
        guard version == .resp3 else { return bulk(text) }
        head(UInt8(ascii: "="), text.utf8.count + 4)
        pending.writeStaticString("txt:")
        pending.writeString(text)
        endLine()
    }

    /// Writes a null in place of a string.
    package mutating func null() {
        switch version {
        case .resp2: pending.writeStaticString("$-1\r\n")
        case .resp3: pending.writeStaticString("_\r\n")
        }
    }

    /// Writes a null in place of an array.
    package mutating func nullArray() {
        switch version {
        case .resp2: pending.writeStaticString("*-1\r\n")
        case .resp3: pending.writeStaticString("_\r\n")
        }
    }

    package mutating func boolean(_ value: Bool) {
        switch version {
        case .resp2: integer(value ? 1 : 0)
        case .resp3: pending.writeStaticString(value ? "#t\r\n" : "#f\r\n")
        }
    }

    package mutating func double(_ value: Double) {
        let text = value == .infinity ? "inf" : value == -.infinity ? "-inf" : value.isNaN ? "nan" : "\(value)"
        guard version == .resp3 else { return bulk(text) }
        pending.writeInteger(UInt8(ascii: ","))
        pending.writeString(text)
        endLine()
    }

    /// Writes a reply that was written elsewhere. The bytes of a long one are not copied, if they come first.
    package mutating func whole(_ reply: ByteBuffer) {
        if pending.readableBytes == 0 {
            pending = reply
        } else {
            pending.writeImmutableBuffer(reply)
        }
    }

    // MARK: Aggregates: their heads; the caller writes the elements.

    package mutating func array(_ count: Int) { head(UInt8(ascii: "*"), count) }

    package mutating func set(_ count: Int) { head(UInt8(ascii: version == .resp3 ? "~" : "*"), count) }

    /// The head of a map with `pairs` keys, each followed by its value.
    package mutating func map(_ pairs: Int) {
        switch version {
        case .resp2: head(UInt8(ascii: "*"), pairs * 2)
        case .resp3: head(UInt8(ascii: "%"), pairs)
        }
    }

    @inline(__always)
    private mutating func head(_ mark: UInt8, _ count: Int) {
        pending.writeInteger(mark)
        pending.writeDecimal(Int64(count))
        endLine()
    }

    @inline(__always)
    private mutating func endLine() { pending.writeInteger(0x0d0a as UInt16) }
}

extension ByteBuffer {
    /// Writes decimal digits without making a string of them.
    fileprivate mutating func writeDecimal(_ value: Int64) {
        if 0..<10 ~= value {
            writeInteger(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value))
            return
        }
        var rest = value.magnitude
        // The longest number has 19 digits and a sign.
        writeWithUnsafeMutableBytes(minimumWritableBytes: 20) { buffer in
            var index = 20
            repeat {
                index -= 1
                buffer[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            if value < 0 {
                index -= 1
                buffer[index] = UInt8(ascii: "-")
            }
            let count = 20 - index
            // The regions may overlap.
            if let base = buffer.baseAddress { base.copyMemory(from: base + index, byteCount: count) }
            return count
        }
    }
}
