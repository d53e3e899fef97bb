import NIOCore

/// Writes one compact JSON text (RFC 8259) and places the commas itself. The caller must close the innermost object or
/// array first.
struct JSONWriter {
    private(set) var buffer: ByteBuffer
    private var needsComma = false

    init(capacity: Int, allocator: ByteBufferAllocator) { buffer = allocator.buffer(capacity: capacity) }

    mutating func object(_ members: (inout Self) -> Void) { enclose("{", "}", members) }

    mutating func array(_ elements: (inout Self) -> Void) { enclose("[", "]", elements) }

    /// A member's name, which needs no escaping; its value is to follow.
    mutating func name(_ name: StaticString) {
        separate()
        buffer.writeStaticString("\"")
        buffer.writeStaticString(name)
        buffer.writeStaticString("\":")
        needsComma = false
    }

    mutating func null() {
        separate()
        buffer.writeStaticString("null")
    }

    mutating func bool(_ value: Bool) {
        separate()
        buffer.writeStaticString(value ? "true" : "false")
    }

    mutating func number(_ number: some FixedWidthInteger) {
        separate()
        buffer.writeDecimal(number)
    }

    /// A number that is not negative, rounded to a tenth: `12.3`.
    mutating func tenths(_ number: Double) {
        separate()
        let tenths = UInt64(exactly: (number * 10).rounded()) ?? .max
        buffer.writeDecimal(tenths / 10)
        buffer.writeStaticString(".")
        buffer.writeDecimal(tenths % 10)
    }

    mutating func string(_ text: String) {
        separate()
        var text = text
        text.withUTF8 { writeQuoted($0) }
    }

    /// Bytes known to need no escaping.
    mutating func string(plain bytes: [UInt8]) {
        separate()
        buffer.writeStaticString("\"")
        buffer.writeBytes(bytes)
        buffer.writeStaticString("\"")
    }

    /// A member of the given name with the bytes as text; or, where they are not UTF-8, in base64, which a second
    /// member then says.
    mutating func member(_ name: StaticString, _ bytes: [UInt8], encoding: StaticString) {
        self.name(name)
        if String(validating: bytes, as: UTF8.self) != nil {
            separate()
            bytes.withUnsafeBufferPointer { writeQuoted($0) }
        } else {
            string(plain: Base64.encode(bytes))
            self.name(encoding)
            buffer.writeStaticString("\"base64\"")
            needsComma = true
        }
    }

    private mutating func enclose(_ open: StaticString, _ close: StaticString, _ body: (inout Self) -> Void) {
        separate()
        buffer.writeStaticString(open)
        needsComma = false
        body(&self)
        buffer.writeStaticString(close)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { buffer.writeStaticString(",") }
        needsComma = true
    }

    private mutating func writeQuoted(_ text: UnsafeBufferPointer<UInt8>) {
        buffer.writeStaticString("\"")
        var start = 0
        for index in 0..<text.count {
            let byte = text[index]
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
            buffer.writeBytes(text[start..<index])
            writeEscaped(byte)
            start = index + 1
        }
        buffer.writeBytes(text[start...])
        buffer.writeStaticString("\"")
    }

    private mutating func writeEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): buffer.writeStaticString("\\\"")
        case UInt8(ascii: "\\"): buffer.writeStaticString("\\\\")
        case UInt8(ascii: "\n"): buffer.writeStaticString("\\n")
        case UInt8(ascii: "\r"): buffer.writeStaticString("\\r")
        case UInt8(ascii: "\t"): buffer.writeStaticString("\\t")
        default:
            let digits: StaticString = "0123456789abcdef"
            buffer.writeStaticString("\\u00")
            digits.withUTF8Buffer { digits in
                _ = buffer.writeInteger(digits[Int(byte >> 4)])
                _ = buffer.writeInteger(digits[Int(byte & 15)])
            }
        }
    }
}

extension ByteBuffer {
    /// Writes a number in decimal, without making a `String` of it.
    mutating func writeDecimal(_ number: some FixedWidthInteger) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: 20) { bytes in
            var magnitude = UInt64(truncatingIfNeeded: number.magnitude)
            var count = number < 0 ? 1 : 0
            var rest = magnitude
            repeat {
                count += 1
                rest /= 10
            } while rest > 0
            var index = count
            repeat {
                index -= 1
                bytes[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: magnitude % 10)
                magnitude /= 10
            } while magnitude > 0
            if number < 0 { bytes[0] = UInt8(ascii: "-") }
            return count
        }
    }
}
