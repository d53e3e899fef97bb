import KVCore

/// A value that clients make, which tells what it was made of:
///
/// - `w12`: write 12 put it.
/// - a number of 2^40 or more: the write that is its upper bits put it, and what was added since is in the lower 40
///   bits.
/// - a number below that was added to nothing.
/// - `w12.17.20`, `1099511627776.17`, `.17`: any of these, or nothing, to which writes 17 and 20 appended.
struct Content: Hashable {
    let bytes: [UInt8]
    /// Tells it from other contents: the last write's number, or the number that it is.
    let value: Int
    /// All that it shows to have taken effect, oldest first.
    let writes: [Int]

    /// Numbers begin here; writes end.
    static let firstNumber = 1 << 24
    private static let baseShift = 40

    /// - Parameter length: in bytes, at least.
    static func word(_ write: Int, length: Int = 0) -> [UInt8] {
        let number = Array("\(write)".utf8)
        return [UInt8(ascii: "w")] + Array(repeating: UInt8(ascii: "0"), count: max(length - 1 - number.count, 0))
            + number
    }
    static func number(_ write: Int) -> [UInt8] { Array("\(write << baseShift)".utf8) }
    static func tail(_ write: Int) -> [UInt8] { Array(".\(write)".utf8) }
    static func amount(_ write: Int) -> Int { firstNumber + write }

    static func isNumber(_ value: Int) -> Bool { value >= firstNumber && value != Sight.unidentified }

    /// The number that was put, where `number` was made by adding to it; 0 where there was nothing.
    static func base(of number: Int) -> Int { (number >> baseShift) << baseShift }

    /// Whether it can be in the register only once: sums of what was added to nothing may come again.
    static func isUnique(_ value: Int) -> Bool { value < 2 * firstNumber || value >= 1 << baseShift }

    /// Nil for bytes that no client wrote.
    init?(_ bytes: [UInt8]) {
        let pieces = String(decoding: bytes, as: UTF8.self).split(separator: ".", omittingEmptySubsequences: false)
        var writes = pieces.dropFirst().compactMap { Int($0) }
        guard let first = pieces.first, writes.count == pieces.count - 1 else { return nil }
        var value = 0
        if first.first == "w" {
            guard let write = Int(first.dropFirst()) else { return nil }
            value = write
            writes.insert(write, at: 0)
        } else if !first.isEmpty {
            guard let number = Int(first), Self.isNumber(number) else { return nil }
            value = number
            if Self.base(of: number) != 0 { writes.insert(number >> Self.baseShift, at: 0) }
        }
        self.bytes = bytes
        self.writes = writes
        self.value = pieces.count > 1 ? writes.last ?? 0 : value
        guard self.value != 0 else { return nil }
    }

    /// What the last write appended to; nil where that was nothing, or it was not made so.
    var appendedTo: Content? {
        guard let dot = bytes.lastIndex(of: UInt8(ascii: ".")) else { return nil }
        return Content(Array(bytes[..<dot]))
    }

    var isAppended: Bool { bytes.contains(UInt8(ascii: ".")) }
}
