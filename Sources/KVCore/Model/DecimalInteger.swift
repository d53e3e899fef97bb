/// Reads values that are decimal integers of 64 bits, in the only notation that Redis accepts for INCR.
enum DecimalInteger {
    /// The integer that `text` stands for. Nil unless `text` is exactly how the integer is printed: leading zeros, a
    /// plus sign and spaces are not accepted.
    static func value(of text: [UInt8]) -> Int64? {
        // "-9223372036854775808" is the longest.
        guard let first = text.first, text.count <= 20 else { return nil }
        let isNegative = first == UInt8(ascii: "-")
        let digits = isNegative ? text.dropFirst() : text[...]
        guard let leading = digits.first else { return nil }
        if leading == UInt8(ascii: "0") { return text.count == 1 ? 0 : nil }
        var value: Int64 = 0
        for byte in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let digit = Int64(byte - UInt8(ascii: "0"))
            let (product, productOverflows) = value.multipliedReportingOverflow(by: 10)
            let (next, overflows) =
                isNegative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
            guard !productOverflows, !overflows else { return nil }
            value = next
        }
        return value
    }
}
