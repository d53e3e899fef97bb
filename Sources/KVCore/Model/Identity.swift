/// A member's number in the topology: given once, never reused. Ballots are ordered by it.
public struct NodeNumber: Hashable, Comparable, Sendable {
    public var raw: UInt16

    @inlinable
    public init(_ raw: UInt16) { self.raw = raw }

    @inlinable
    public static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }

    @inlinable
    public func _rawHashValue(seed: Int) -> Int { spread(UInt64(raw), seed) }
}

/// A hash for numbers that no stranger chooses: Fibonacci hashing (Knuth), seeded as the standard library wants it.
@inlinable
func spread(_ number: UInt64, _ seed: Int) -> Int {
    let product = (number ^ UInt64(truncatingIfNeeded: seed)) &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: product ^ product >> 32)
}

extension NodeNumber: CustomStringConvertible {
    public var description: String { "#\(raw)" }
}

/// A virtual node of the ring: `16384 / P` consecutive slots, `0 ..< P`.
public struct PartitionID: Hashable, Comparable, Sendable {
    public var raw: UInt16

    @inlinable
    public init(_ raw: UInt16) { self.raw = raw }

    @inlinable
    public static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
}

extension PartitionID: CustomStringConvertible {
    public var description: String { "\(raw)" }
}

/// The topology's version: grows by one with every change of it.
public typealias Epoch = UInt64

/// One start of a store's node: a process.
///
/// Boot counters alone do not tell a store from a copy of it: both count on from the same number. The nonce does.
public struct ProcessStart: Hashable, Sendable {
    /// Counts the starts of the store, from 1.
    public var boot: UInt64
    /// Drawn at random at the start.
    public var nonce: UInt64

    public init(boot: UInt64, nonce: UInt64) {
        self.boot = boot
        self.nonce = nonce
    }

    /// How many of its starts a store remembers, the newest ones.
    public static let maximumRemembered = 64
}

/// 128 bits that name a cluster or a store.
public struct UUID128: Hashable, Sendable {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

extension UUID128: CustomStringConvertible {
    /// 32 hexadecimal digits.
    public var description: String { hexadecimal(high) + hexadecimal(low) }

    /// Nil unless `text` is 32 hexadecimal digits.
    public init?(_ text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 32, digits.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
            let high = UInt64(String(decoding: digits[..<16], as: UTF8.self), radix: 16),
            let low = UInt64(String(decoding: digits[16...], as: UTF8.self), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }
}

private func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
