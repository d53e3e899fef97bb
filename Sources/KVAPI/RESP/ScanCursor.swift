import KVCore
import KVWire

/// Where a SCAN goes on, as clients hold it: 53 bits, as many as a number of JavaScript holds exactly. The upper 14 are
/// a slot; the lower are 0 at its beginning, and otherwise a hash of the last key that was given, in ring order.
///
/// So a cursor needs nothing to be kept for it, and any node understands it, whatever splits it knows of: the key is
/// found again by its hash. Where it has been deleted meanwhile, the slot is given again from its beginning. That costs
/// time, so nodes remember the keys of their last cursors (`ScanPositions`).
struct ScanCursor: Hashable, Sendable {
    var raw: UInt64

    private static let hashBits: UInt64 = 39

    static let start = ScanCursor(raw: 0)

    init(raw: UInt64) { self.raw = raw }

    init(_ place: ListCursor) {
        raw = UInt64(place.slot.raw) << Self.hashBits | (place.key.map(Self.hash) ?? 0)
    }

    /// As Redis reads one: nil for what is no number of 64 bits. One that was never given begins somewhere.
    init?(_ text: UnsafeRawBufferPointer) {
        guard !text.isEmpty, text.count <= 20 else { return nil }
        let isNegative = text.first == UInt8(ascii: "-")
        let digits = isNegative ? UnsafeRawBufferPointer(rebasing: text.dropFirst()) : text
        var value: UInt64 = 0
        guard !digits.isEmpty else { return nil }
        for byte in digits {
            let digit = byte &- UInt8(ascii: "0")
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            guard digit <= 9, !overflow, !carry else { return nil }
            value = sum
        }
        raw = isNegative ? 0 &- value : value
    }

    var slot: Slot { Slot(UInt16(truncatingIfNeeded: raw >> Self.hashBits)) }

    var isAtBeginning: Bool { raw & (1 << Self.hashBits - 1) == 0 }

    /// Whether `key`, of the same slot, may be the last that was given.
    func isAfter(_ key: Key) -> Bool { raw & (1 << Self.hashBits - 1) == Self.hash(key) }

    private static func hash(_ key: Key) -> UInt64 { max(KeyHash(key).low >> (64 - hashBits), 1) }
}
