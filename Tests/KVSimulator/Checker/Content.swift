import KVCore

/// A value that clients have made. It shows which writes it is made of:
///
/// - `w12` was put by write 12.
/// - A number of 2^40 or more was put by the write whose number is in its upper bits. The lower 40 bits hold the sum of
///   what was added since.
/// - A smaller number is the sum of what was added to an absent value.
/// - `w12.17.20`, `1099511627776.17` and `.17` are such values, or an absent one, to which writes 17 and 20 have
///   appended.
struct Content: Hashable {
    let bytes: [UInt8]
    /// Identifies the content: the number of the last write or, for a number, the number itself.
    let value: Int
    /// The writes that the content shows to have taken effect, the oldest first.
    let writes: [Int]

    /// The lowest content that is a number. The numbers of writes are lower.
    static let firstNumber = 1 << 24
    private static let baseShift = 40

    /// A word that names a write.
    /// - Parameter length: The least number of bytes.
    static func word(_ write: Int, length: Int = 0) -> [UInt8] {
        let number = Array("\(write)".utf8)
        return [UInt8(ascii: "w")] + Array(repeating: UInt8(ascii: "0"), count: max(length - 1 - number.count, 0))
            + number
    }
    static func number(_ write: Int) -> [UInt8] { Array("\(write << baseShift)".utf8) }
    static func tail(_ write: Int) -> [UInt8] { Array(".\(write)".utf8) }
    static func amount(_ write: Int) -> Int { firstNumber + write }

    static func isNumber(_ value: Int) -> Bool { value >= firstNumber && value != SeenValue.unidentified }

    /// The number that was put and to which was added to make `number`; 0 if the value was absent then.
    static func base(of number: Int) -> Int { (number >> baseShift) << baseShift }

    /// True if the value can be in the register only once. Sums that began with an absent value may be there again.
    static func isUnique(_ value: Int) -> Bool { value < 2 * firstNumber || value >= 1 << baseShift }

    /// Reads a value. Nil for bytes that no client writes.
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

    /// The content to which the last write has appended. Nil if the value was absent then, or if the last write has not
    /// appended.
    var appendedTo: Content? {
        guard let dot = bytes.lastIndex(of: UInt8(ascii: ".")) else { return nil }
        return Content(Array(bytes[..<dot]))
    }

    var isAppended: Bool { bytes.contains(UInt8(ascii: ".")) }
}
