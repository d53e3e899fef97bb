/// A member's number in the topology. It is given once and never reused. Of two ballots of one round, the higher
/// number's is the higher.
package struct NodeNumber: Hashable, Comparable, Sendable {
    package var raw: UInt16

    @inlinable
    package init(_ raw: UInt16) { self.raw = raw }

    @inlinable
    package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }

    @inlinable
    package func _rawHashValue(seed: Int) -> Int { spread(UInt64(raw), seed) }
}

/// Hashes a number that nobody outside the cluster chooses: Fibonacci hashing (Knuth) with the standard library's seed.
@inlinable
package func spread(_ number: UInt64, _ seed: Int) -> Int {
    let product = (number ^ UInt64(truncatingIfNeeded: seed)) &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: product ^ product >> 32)
}

extension NodeNumber: CustomStringConvertible {
    package var description: String { "#\(raw)" }
}

/// The number of a partition, `0 ..< P`: of `16384 / P` consecutive slots of the ring. `P` itself is the metadata
/// partition.
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

/// The topology's number. Each change of the topology takes the next one; only `kv recover` skips many.
package typealias Epoch = UInt64

/// One start of a node on its store, which is one process.
///
/// The boot counter alone does not distinguish a store from a copy of it, because both continue from the same number.
/// The nonce does.
package struct ProcessStart: Hashable, Sendable {
    /// Counts the starts of the store, from 1.
    package var boot: UInt64
    /// A random number, drawn at the start.
    package var nonce: UInt64

    package init(boot: UInt64, nonce: UInt64) {
        self.boot = boot
        self.nonce = nonce
    }

    /// The number of its newest starts that a store remembers.
    package static let maximumRemembered = 64
}

/// A random number of 128 bits that names a cluster or a store.
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

    /// Reads 32 hexadecimal digits. Nil for any other text.
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
