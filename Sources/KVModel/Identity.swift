/// A member's number in the topology: given once, never reused. Ballots are ordered by it.
package struct NodeNumber: Hashable, Comparable, Sendable {
    package var raw: UInt16

    @inlinable
    package init(_ raw: UInt16) { self.raw = raw }

    @inlinable
    package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }

    @inlinable
    package func _rawHashValue(seed: Int) -> Int { spread(UInt64(raw), seed) }
}

/// A hash for numbers that no stranger chooses: Fibonacci hashing (Knuth), seeded as the standard library wants it.
@inlinable
package func spread(_ number: UInt64, _ seed: Int) -> Int {
    let product = (number ^ UInt64(truncatingIfNeeded: seed)) &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: product ^ product >> 32)
}

extension NodeNumber: CustomStringConvertible {
    package var description: String { "#\(raw)" }
}

/// A virtual node of the ring: `16384 / P` consecutive slots, `0 ..< P`.
package struct PartitionID: Hashable, Comparable, Sendable {
    package var raw: UInt16

    @inlinable
    package init(_ raw: UInt16) { self.raw = raw }

    @inlinable
    package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
}

extension PartitionID: CustomStringConvertible {
    package var description: String { "\(raw)" }
}

/// The topology's version: grows by one with every change of it.
package typealias Epoch = UInt64

/// One start of a store's node: a process.
///
/// Boot counters alone do not tell a store from a copy of it: both count on from the same number. The nonce does.
package struct ProcessStart: Hashable, Sendable {
    /// Counts the starts of the store, from 1.
    package var boot: UInt64
    /// Drawn at random at the start.
    package var nonce: UInt64

    package init(boot: UInt64, nonce: UInt64) {
        self.boot = boot
        self.nonce = nonce
    }

    /// How many of its starts a store remembers, the newest ones.
    package static let maximumRemembered = 64
}

/// 128 bits that name a cluster or a store.
package struct UUID128: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

extension UUID128: CustomStringConvertible {
    /// 32 hexadecimal digits.
    package var description: String { hexadecimal(high) + hexadecimal(low) }

    /// Nil unless `text` is 32 hexadecimal digits.
    package init?(_ text: String) {
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
