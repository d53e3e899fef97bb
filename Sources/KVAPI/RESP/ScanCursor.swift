import KVCore
import KVWire

/// Where a SCAN goes on, as clients hold it: 53 bits, as many as a number of JavaScript holds exactly. The upper 14
/// name a partition by its place (`SlotMap`); the lower are 0 at its beginning, and otherwise a hash of the last key
/// that was given, in ring order.
///
/// So a cursor needs nothing to be kept for it, and any node understands it: the key is found again by its hash. Where
/// it has been deleted meanwhile, the partition is given again from its beginning. That costs time, so nodes remember
/// the keys of their last cursors (`ScanPositions`).
struct ScanCursor: Hashable, Sendable {
    var raw: UInt64

    private static let hashBits: UInt64 = 39

    static let start = ScanCursor(raw: 0)

    init(raw: UInt64) { self.raw = raw }

    /// - Parameter settings: the cluster's.
    init(_ place: ListCursor, _ settings: ClusterSettings?) {
        let number = UInt64(place.partition.raw)
        let isAfterMetadata = settings.map { place.partition > $0.foundingSlots.metadataPartition } ?? false
        let partition = (isAfterMetadata ? number - 1 : number) << Self.hashBits
        guard let key = place.key else {
            raw = partition
            return
        }
        raw = partition | Self.hash(key)
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

    /// The partition that it names, in a cluster of these settings.
    func partition(_ settings: ClusterSettings?) -> PartitionID {
        let place = Int(truncatingIfNeeded: raw >> Self.hashBits) & (1 << 14 - 1)
        return (settings?.foundingSlots ?? SlotMap(founding: 1)).partition(at: place)
    }

    var isAtBeginning: Bool { raw & (1 << Self.hashBits - 1) == 0 }

    /// Whether `key`, of the same partition, may be the last that was given.
    func isAfter(_ key: Key) -> Bool { raw & (1 << Self.hashBits - 1) == Self.hash(key) }

    private static func hash(_ key: Key) -> UInt64 { max(KeyHash(key).low >> (64 - hashBits), 1) }
}
