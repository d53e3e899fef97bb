/// Percent-encoding (RFC 3986, section 2.1) of bytes. Foundation's works on Strings, and keys need not be text.
package enum PercentEncoding {
    /// The reason why a text could not be decoded.
    package enum Fault: Error {
        /// A `%` is not followed by two hexadecimal digits.
        case digits
        /// There is a bare `+`, which is ambiguous.
        case plus
    }

    // MARK: Encoding

    /// Encodes all bytes but the unreserved characters.
    ///
    /// - Parameter output: Has room for three times as many bytes.
    /// - Returns: The number of bytes written.
    package static func encode(_ bytes: [UInt8], into output: UnsafeMutableRawBufferPointer) -> Int {
        var count = 0
        for byte in bytes {
            if isUnreserved(byte) {
                output[count] = byte
                count += 1
            } else {
                output[count] = UInt8(ascii: "%")
                output[count + 1] = digit(byte >> 4)
                output[count + 2] = digit(byte & 15)
                count += 3
            }
        }
        return count
    }

    package static func encoded(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 3 * bytes.count) { output, count in
            count = encode(bytes, into: UnsafeMutableRawBufferPointer(output))
        }
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }

    // MARK: Decoding

    /// The bytes that `text` stands for.
    ///
    /// - Parameter plus: True if a bare `+` stands for itself, as in a path. In a query it is an error: forms mean a
    ///   space by it and everyone else a plus, and the wrong one would name another key.
    package static func decoded(_ text: UnsafeBufferPointer<UInt8>, plus: Bool) throws(Fault) -> [UInt8] {
        var fault: Fault?
        let decoded = [UInt8](unsafeUninitializedCapacity: text.count) { output, count in
            var index = 0
            while index < text.count {
                var byte = text[index]
                index += 1
                if byte == UInt8(ascii: "%") {
                    guard index + 1 < text.count, let high = value(of: text[index]),
                        let low = value(of: text[index + 1])
                    else {
                        fault = .digits
                        return
                    }
                    byte = high << 4 | low
                    index += 2
                } else if byte == UInt8(ascii: "+"), !plus {
                    fault = .plus
                    return
                }
                output[count] = byte
                count += 1
            }
        }
        if let fault { throw fault }
        return decoded
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
