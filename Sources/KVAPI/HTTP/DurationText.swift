/// The milliseconds that `30s` and its like stand for: a whole number followed by `ms`, `s`, `m`, `h` or `d`.
/// Nil for anything else, zero and overflow included.
func milliseconds(ofDuration text: [UInt8]) -> UInt64? {
    let digits = text.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard let count = UInt64(String(decoding: digits, as: UTF8.self)), count > 0 else { return nil }
    let unit: UInt64
    switch String(decoding: text[digits.endIndex...], as: UTF8.self) {
    case "ms": unit = 1
    case "s": unit = 1000
    case "m": unit = 60_000
    case "h": unit = 3_600_000
    case "d": unit = 86_400_000
    default: return nil
    }
    let (product, overflow) = count.multipliedReportingOverflow(by: unit)
    return overflow ? nil : product
}
