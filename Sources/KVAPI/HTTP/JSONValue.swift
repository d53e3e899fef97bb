/// A JSON text (RFC 8259) of the kind that requests bear: small, and with whole numbers only.
enum JSONValue: Equatable {
    case null
    case bool(Bool)
    case integer(Int)
    case string(String)
    case array([JSONValue])
    /// The members, in the order of the text; no name is there twice.
    case object([Member])

    struct Member: Equatable {
        var name: String
        var value: JSONValue
    }

    /// The kind of value, for messages.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .integer: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "an object"
        }
    }
}

/// A text is not JSON, or is JSON that is not taken here.
struct JSONProblem: Error, Equatable {
    /// The offset of the byte that is wrong, counted from 0.
    var byte: Int
    var message: String
}

/// Reads one `JSONValue`, strictly: no comments, no trailing commas, no doubled names, nothing behind the value.
struct JSONReader {
    /// Objects and arrays within each other.
    static let maximumDepth = 8

    private let bytes: [UInt8]
    private var index = 0

    static func read(_ bytes: [UInt8]) throws(JSONProblem) -> JSONValue {
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw JSONProblem(byte: 0, message: "it is not UTF-8")
        }
        var reader = JSONReader(bytes: bytes)
        let value = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.index == bytes.count else { throw reader.problem("there is something behind its end") }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private func problem(_ message: String) -> JSONProblem { JSONProblem(byte: index, message: message) }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { index += 1 }
    }

    /// Takes the next byte after white space if it is this one. Returns whether it was.
    private mutating func takes(_ byte: Unicode.Scalar) -> Bool {
        skipSpace()
        guard next == UInt8(ascii: byte) else { return false }
        index += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONProblem) -> JSONValue {
        skipSpace()
        guard let first = next else { throw problem("it ends where a value should be") }
        switch first {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard depth < Self.maximumDepth else { throw problem("it is nested more than \(Self.maximumDepth) deep") }
            index += 1
            return first == UInt8(ascii: "{") ? try object(depth: depth + 1) : try array(depth: depth + 1)
        case UInt8(ascii: "\""):
            index += 1
            return .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .integer(try integer())
        default:
            if word("true") { return .bool(true) }
            if word("false") { return .bool(false) }
            if word("null") { return .null }
            throw problem("a value should be here")
        }
    }

    private mutating func word(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        let isHere = text.withUTF8Buffer { bytes[index...].starts(with: $0) }
        if isHere { index += count }
        return isHere
    }

    private mutating func array(depth: Int) throws(JSONProblem) -> JSONValue {
        var items: [JSONValue] = []
        if takes("]") { return .array(items) }
        repeat { items.append(try value(depth: depth)) } while takes(",")
        guard takes("]") else { throw problem("a comma or ] should be here") }
        return .array(items)
    }

    private mutating func object(depth: Int) throws(JSONProblem) -> JSONValue {
        var members: [JSONValue.Member] = []
        var names: Set<String> = []
        if takes("}") { return .object(members) }
        repeat {
            skipSpace()
            let start = index
            guard takes("\"") else { throw problem("a name in double quotes should be here") }
            let name = try string()
            guard names.insert(name).inserted else {
                throw JSONProblem(byte: start, message: "the name '\(name)' is there twice")
            }
            guard takes(":") else { throw problem("a colon should be here") }
            members.append(JSONValue.Member(name: name, value: try value(depth: depth)))
        } while takes(",")
        guard takes("}") else { throw problem("a comma or } should be here") }
        return .object(members)
    }

    private mutating func integer() throws(JSONProblem) -> Int {
        let start = index
        if next == UInt8(ascii: "-") { index += 1 }
        let digits = index
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
        if let byte = next, byte == UInt8(ascii: ".") || byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
            throw JSONProblem(byte: start, message: "a number must be whole here")
        }
        guard index > digits, index == digits + 1 || bytes[digits] != UInt8(ascii: "0"),
            let number = Int(String(decoding: bytes[start..<index], as: UTF8.self))
        else { throw JSONProblem(byte: start, message: "this number is not one of JSON's, or too large") }
        return number
    }

    // MARK: Strings

    /// Reads a string whose opening quote has been taken.
    private mutating func string() throws(JSONProblem) -> String {
        var text: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                index += 1
                try escape(into: &text)
            case 0..<0x20: throw problem("a control character must be escaped in a string")
            default:
                text.append(byte)
                index += 1
            }
        }
        throw problem("it ends within a string")
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONProblem) {
        let start = index - 1
        guard let byte = next else { throw problem("it ends within a string") }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            guard let scalar = scalar() else {
                throw JSONProblem(byte: start, message: "this escape names no character")
            }
            text += Array(String(Character(scalar)).utf8)
        default: throw JSONProblem(byte: start, message: "JSON has no such escape")
        }
    }

    /// Behind `\u`; two escapes where the first is the upper half of a surrogate pair.
    private mutating func scalar() -> Unicode.Scalar? {
        guard let first = codeUnit() else { return nil }
        guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) }
        guard word("\\u"), let second = codeUnit(), (0xDC00..<0xE000).contains(second) else { return nil }
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    }

    private mutating func codeUnit() -> UInt32? {
        guard bytes.count - index >= 4 else { return nil }
        let digits = bytes[index..<index + 4]
        guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
        index += 4
        return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}
