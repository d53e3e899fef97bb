/// The words of an inline command, by Redis's rules: spaces separate words, double quotes allow the escapes of C and
/// `\xHH`, and single quotes allow only `\'`.
struct InlineWords {
    /// All words, concatenated.
    private(set) var bytes: [UInt8] = []
    private(set) var places: [RESPArguments.Place] = []

    private var start = 0

    /// Nil when a quote is not closed, or is followed by something other than a space.
    init?(_ line: UnsafeRawBufferPointer) {
        // Redis reads it as a C string.
        let line = UnsafeRawBufferPointer(rebasing: line.prefix { $0 != 0 })
        bytes.reserveCapacity(line.count)
        var index = 0
        while index < line.count {
            guard !Self.isSpace(line[index]) else {
                index += 1
                continue
            }
            start = bytes.count
            guard takeWord(line, &index) else { return nil }
            places.append(RESPArguments.Place(start: start, count: bytes.count - start))
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0d ~= byte }

    /// True for the spaces that end a word without quotes.
    private static func endsWord(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d || byte == 0x0a }

    /// Returns false when the word's quotes are not balanced.
    private mutating func takeWord(_ line: UnsafeRawBufferPointer, _ index: inout Int) -> Bool {
        while index < line.count, !Self.endsWord(line[index]) {
            switch line[index] {
            case UInt8(ascii: "\""):
                index += 1
                guard takeDoubleQuoted(line, &index) else { return false }
                return index == line.count || Self.isSpace(line[index])
            case UInt8(ascii: "'"):
                index += 1
                guard takeSingleQuoted(line, &index) else { return false }
                return index == line.count || Self.isSpace(line[index])
            default:
                bytes.append(line[index])
                index += 1
            }
        }
        return true
    }

    private mutating func takeDoubleQuoted(_ line: UnsafeRawBufferPointer, _ index: inout Int) -> Bool {
        while index < line.count {
            let byte = line[index]
            index += 1
            if byte == UInt8(ascii: "\"") { return true }
            guard byte == UInt8(ascii: "\\"), index < line.count else {
                bytes.append(byte)
                continue
            }
            if line[index] == UInt8(ascii: "x"), index + 2 < line.count, let high = Self.digit(line[index + 1]),
                let low = Self.digit(line[index + 2])
            {
                bytes.append(high << 4 | low)
                index += 3
                continue
            }
            bytes.append(Self.unescaped(line[index]))
            index += 1
        }
        return false
    }

    private mutating func takeSingleQuoted(_ line: UnsafeRawBufferPointer, _ index: inout Int) -> Bool {
        while index < line.count {
            let byte = line[index]
            index += 1
            if byte == UInt8(ascii: "'") { return true }
            if byte == UInt8(ascii: "\\"), index < line.count, line[index] == UInt8(ascii: "'") {
                bytes.append(UInt8(ascii: "'"))
                index += 1
            } else {
                bytes.append(byte)
            }
        }
        return false
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private static func unescaped(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "n"): 0x0a
        case UInt8(ascii: "r"): 0x0d
        case UInt8(ascii: "t"): 0x09
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "a"): 0x07
        default: byte
        }
    }
}
