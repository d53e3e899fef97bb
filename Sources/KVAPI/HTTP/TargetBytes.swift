import KVCore

/// Bytes of a request target, borrowed while it is parsed.
typealias TargetBytes = UnsafeBufferPointer<UInt8>

extension UnsafeBufferPointer<UInt8> {
    /// The caller must keep within the bounds.
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

/// Decodes a part of a request target. Throws what is wrong with it, for the client.
func percentDecoded(_ text: TargetBytes, plus: Bool) throws(HTTPFailure) -> [UInt8] {
    do throws(PercentEncoding.Fault) {
        return try PercentEncoding.decoded(text, plus: plus)
    } catch .digits {
        throw .bad(
            "bad_encoding",
            "a % in the request target is not followed by two hexadecimal digits; write % itself as %25")
    } catch {
        throw .bad("bad_encoding", "a + in a query is ambiguous; write %2B for a plus, %20 for a space")
    }
}
