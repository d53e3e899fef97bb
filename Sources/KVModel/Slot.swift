/// A place on the ring: `CRC16(key) mod 16384`, exactly as Redis Cluster's clients compute it.
///
/// If a key has a hash tag, a non-empty text between its first `{` and the first `}` after it, only the tag is hashed.
/// So keys with the same tag share a slot.
package struct Slot: Hashable, Comparable, Sendable {
    /// `0 ..< count`.
    package let raw: UInt16

    package static let count = 16384

    /// `raw` modulo `count`.
    @inlinable
    package init(_ raw: UInt16) { self.raw = raw & UInt16(Self.count - 1) }

    /// The slot after this one; nil for the last.
    package var next: Slot? { Int(raw) < Self.count - 1 ? Slot(raw + 1) : nil }

    /// The slot of a key's bytes.
    package init(key: UnsafeBufferPointer<UInt8>) {
        self.init(crc16(Self.hashedPart(of: key)))
    }

    package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }

    private static func hashedPart(of key: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        guard let open = key.firstIndex(of: UInt8(ascii: "{")) else { return key }
        let tag = key[(open + 1)...].prefix { $0 != UInt8(ascii: "}") }
        return tag.isEmpty || tag.endIndex == key.endIndex ? key : UnsafeBufferPointer(rebasing: tag)
    }
}

extension Slot: CustomStringConvertible {
    package var description: String { "\(raw)" }
}

extension Key {
    package var slot: Slot { bytes.withUnsafeBufferPointer { Slot(key: $0) } }
}

/// CRC16/XMODEM: polynomial 0x1021, from 0, most significant bit first.
private func crc16(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt16 {
    crcTable.withUnsafeBufferPointer { table in
        bytes.reduce(0 as UInt16) { crc, byte in crc << 8 ^ table[Int(crc >> 8 ^ UInt16(byte))] }
    }
}

/// For each value of the byte that is shifted out, what it contributes to the sum.
private let crcTable: [UInt16] = (0..<256).map { byte in
    (0..<8).reduce(UInt16(byte) << 8) { crc, _ in crc & 0x8000 == 0 ? crc << 1 : crc << 1 ^ 0x1021 }
}
