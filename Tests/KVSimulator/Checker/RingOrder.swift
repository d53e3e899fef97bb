import KVCore

/// The order of a listing: by slot, then by the bytes of the key. It is computed in the simplest way, and the product's
/// order is checked against it.
enum RingOrder {
    static let slots = 16384

    static func slot(_ key: Key) -> Int {
        var hashed = key.bytes[...]
        if let open = hashed.firstIndex(of: UInt8(ascii: "{")),
            let close = hashed[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        {
            hashed = hashed[(open + 1)..<close]
        }
        var crc: UInt16 = 0
        for byte in hashed {
            crc ^= UInt16(byte) << 8
            for _ in 0..<8 { crc = crc & 0x8000 == 0 ? crc << 1 : crc << 1 ^ 0x1021 }
        }
        return Int(crc) % slots
    }

    static func partition(of key: Key, partitions: Int) -> PartitionID {
        PartitionID(UInt16(slot(key) / (slots / partitions)))
    }

    static func precedes(_ a: Key, _ b: Key) -> Bool { (slot(a), a) < (slot(b), b) }
}
