/// Decimal integers of 64 bits in a value, in the one notation that counts.
enum DecimalInteger {
    /// Nil unless `text` is just what printing the result gives: no leading zeros, plus sign or spaces.
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
