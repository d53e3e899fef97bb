/// Bytes of a request target, borrowed while it is parsed.
typealias TargetBytes = UnsafeBufferPointer<UInt8>

extension UnsafeBufferPointer<UInt8> {
    /// Bounds are the caller's to keep.
    func part(_ range: Range<Int>) -> Self { Self(rebasing: self[range]) }

    func starts(with prefix: StaticString) -> Bool {
        count >= prefix.utf8CodeUnitCount && part(0..<prefix.utf8CodeUnitCount) == prefix
    }

    static func == (a: Self, b: StaticString) -> Bool {
        guard a.count == b.utf8CodeUnitCount else { return false }
        return b.withUTF8Buffer { bytes in
            for index in 0..<a.count where a[index] != bytes[index] { return false }
            return true
        }
    }
}

/// The bytes that percent-encoded text stands for (RFC 3986, 2.1).
///
/// - Parameter plus: whether a bare `+` may stand for itself. It may in a path; in a query it may not, because forms
///   mean a space by it and everyone else a plus, and taking the wrong one would name another key.
func percentDecoded(_ text: TargetBytes, plus: Bool) throws(HTTPFailure) -> [UInt8] {
    var fault: HTTPFailure?
    let decoded = [UInt8](unsafeUninitializedCapacity: text.count) { output, count in
        var index = 0
        while index < text.count {
            var byte = text[index]
            index += 1
            if byte == UInt8(ascii: "%") {
                guard index + 1 < text.count, let high = hexDigit(text[index]), let low = hexDigit(text[index + 1])
                else {
                    fault = .bad(
                        "bad_encoding",
                        "a % in the request target is not followed by two hexadecimal digits; write % itself as %25")
                    return
                }
                byte = high << 4 | low
                index += 2
            } else if byte == UInt8(ascii: "+"), !plus {
                fault = .bad("bad_encoding", "a + in a query is ambiguous; write %2B for a plus, %20 for a space")
                return
            }
            output[count] = byte
            count += 1
        }
    }
    if let fault { throw fault }
    return decoded
}

private func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
