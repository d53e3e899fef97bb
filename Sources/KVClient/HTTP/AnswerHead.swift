import KVModel

/// The head of an answer, parsed in one pass over its bytes.
struct AnswerHead {
    private(set) var message = AnswerMessage()
    /// `Content-Length`
    private(set) var length: Int?
    private(set) var isChunked = false

    /// Whether an answer can begin with these bytes.
    static func mayBegin(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let start: StaticString = "HTTP/1."
        return start.withUTF8Buffer { start in
            zip(start, bytes).allSatisfy { $0 == $1 }
        }
    }

    /// The size at the beginning of a chunk's first line; nil if there is none, or one of more than 8 digits.
    static func chunkSize(_ line: [UInt8]) -> Int? {
        let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: " ") }
        guard (1...8).contains(digits.count) else { return nil }
        var size = 0
        for digit in digits {
            guard let value = Character(Unicode.Scalar(digit)).hexDigitValue else { return nil }
            size = size << 4 | value
        }
        return size
    }

    /// - Parameter bytes: from the status line to the empty line.
    init(_ bytes: UnsafeRawBufferPointer) throws(AnswerFault) {
        var start = 0
        var isFirst = true
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != 0x0A { end += 1 }
            var line = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            if line.last == 0x0D { line = UnsafeRawBufferPointer(rebasing: line.dropLast()) }
            if isFirst { try readStatus(line) } else if !line.isEmpty { try readField(line) }
            isFirst = false
            start = end + 1
        }
    }

    /// `HTTP/1.1 200 OK`
    private mutating func readStatus(_ line: UnsafeRawBufferPointer) throws(AnswerFault) {
        guard line.count >= 12, Self.mayBegin(line), line[8] == UInt8(ascii: " "),
            line.count == 12 || line[12] == UInt8(ascii: " "),
            let status = Self.number(UnsafeRawBufferPointer(rebasing: line[9..<12])), status >= 100
        else { throw .notHTTP }
        message.status = Int(status)
        message.isLast = line[7] == UInt8(ascii: "0")
    }

    private mutating func readField(_ line: UnsafeRawBufferPointer) throws(AnswerFault) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else { throw .notHTTP }
        let name = UnsafeRawBufferPointer(rebasing: line[..<colon])
        let value = Self.trimmed(UnsafeRawBufferPointer(rebasing: line[(colon + 1)...]))
        switch colon {
        case 4 where Self.matches(name, "etag"): message.version = Self.version(value)
        case 6 where Self.matches(name, "kv-ttl"): message.secondsToLive = Self.number(value)
        case 7 where Self.matches(name, "kv-node"): message.node = String(decoding: value, as: UTF8.self)
        case 10 where Self.matches(name, "connection"):
            let isHTTP10 = message.isLast
            message.isLast = isHTTP10 ? !Self.holds(value, "keep-alive") : Self.holds(value, "close")
        case 12 where Self.matches(name, "content-type"):
            message.contentType = String(decoding: value, as: UTF8.self)
        case 14 where Self.matches(name, "content-length"):
            guard let number = Self.number(value), length ?? Int(clamping: number) == Int(clamping: number) else {
                throw AnswerFault("an answer of no known length")
            }
            length = Int(clamping: number)
        case 17 where Self.matches(name, "transfer-encoding"):
            guard Self.matches(value, "chunked") else { throw AnswerFault("an unknown transfer encoding") }
            isChunked = true
        default: break
        }
    }

    /// `"ROUND.NODE.SEQUENCE"`, quotes included.
    private static func version(_ value: UnsafeRawBufferPointer) -> Version? {
        guard value.count > 2, value.first == UInt8(ascii: "\""), value.last == UInt8(ascii: "\"") else { return nil }
        return Version(String(decoding: value[1..<(value.count - 1)], as: UTF8.self))
    }

    /// Decimal digits and nothing else.
    private static func number(_ digits: UnsafeRawBufferPointer) -> UInt64? {
        guard (1...19).contains(digits.count) else { return nil }
        var number: UInt64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            number = number * 10 + UInt64(digit - UInt8(ascii: "0"))
        }
        return number
    }

    private static func trimmed(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var (start, end) = (0, value.count)
        while start < end, value[start] == 0x20 || value[start] == 0x09 { start += 1 }
        while start < end, value[end - 1] == 0x20 || value[end - 1] == 0x09 { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: value[start..<end])
    }

    /// Whether a text equals `lowercase`, which is in lower case, regardless of its own case.
    private static func matches(_ text: UnsafeRawBufferPointer, _ lowercase: StaticString) -> Bool {
        guard text.count == lowercase.utf8CodeUnitCount else { return false }
        return lowercase.withUTF8Buffer { wanted in
            zip(text, wanted).allSatisfy { byte, wanted in
                ((UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte) == wanted
            }
        }
    }

    /// Whether a comma-separated list has the element `lowercase`, which is in lower case.
    private static func holds(_ list: UnsafeRawBufferPointer, _ lowercase: StaticString) -> Bool {
        list.split(separator: UInt8(ascii: ",")).contains {
            matches(trimmed(UnsafeRawBufferPointer(rebasing: $0)), lowercase)
        }
    }
}
