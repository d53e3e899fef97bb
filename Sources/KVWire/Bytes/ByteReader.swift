/// Reads what `ByteWriter` writes, strictly: each value has one encoding, and any other is an error. Allocates memory
/// only for bytes that have been received.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    @inline(__always)
    var remaining: Int { bytes.count - offset }

    @inline(__always)
    mutating func byte() throws(WireError) -> UInt8 {
        guard remaining >= 1 else { throw .truncated }
        defer { offset += 1 }
        return bytes[offset]
    }

    @inline(__always)
    mutating func fixed<I: FixedWidthInteger>(_: I.Type) throws(WireError) -> I {
        guard remaining >= MemoryLayout<I>.size else { throw .truncated }
        defer { offset += MemoryLayout<I>.size }
        return I(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: I.self))
    }

    @inline(__always)
    mutating func varint() throws(WireError) -> UInt64 {
        let first = try byte()
        if first < 0x80 { return UInt64(first) }
        return try longVarint(UInt64(first & 0x7f))
    }

    private mutating func longVarint(_ first: UInt64) throws(WireError) -> UInt64 {
        var value = first
        for shift in stride(from: UInt64(7), through: 63, by: 7) {
            let next = try byte()
            // The tenth byte holds only the 64th bit. A last byte of zero would be a second encoding.
            if shift == 63 && next > 1 { throw .badInteger }
            value |= UInt64(next & 0x7f) << shift
            if next < 0x80 {
                guard next != 0 else { throw .badInteger }
                return value
            }
        }
        throw .badInteger
    }

    /// A number within `range`; anything else is an invalid `field`.
    mutating func varint<I: FixedWidthInteger>(in range: ClosedRange<I>, _ field: String) throws(WireError) -> I {
        guard let value = I(exactly: try varint()), range.contains(value) else { throw .invalid(field) }
        return value
    }

    mutating func boolean(_ field: String) throws(WireError) -> Bool {
        switch try byte() {
        case 0: return false
        case 1: return true
        default: throw .invalid(field)
        }
    }

    /// The number of elements that follow, each of at least `size` bytes.
    mutating func count(
        of field: String, size: Int, limit: Int = .max
    ) throws(WireError) -> Int {
        let declared = try varint()
        guard let count = Int(exactly: declared), count <= limit, count <= remaining / size else {
            throw .tooMany(field, declared)
        }
        return count
    }

    private mutating func slice(_ field: String, limit: Int) throws(WireError) -> UnsafeRawBufferPointer {
        let length = try count(of: field, size: 1, limit: limit)
        defer { offset += length }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
    }

    mutating func bytes(_ field: String) throws(WireError) -> [UInt8] {
        [UInt8](try slice(field, limit: .max))
    }

    /// Text of at most `limit` bytes of UTF-8.
    mutating func string(_ field: String, limit: Int) throws(WireError) -> String {
        guard let text = String(validating: try slice(field, limit: limit), as: UTF8.self) else {
            throw .invalid(field)
        }
        return text
    }

    func finish() throws(WireError) {
        guard remaining == 0 else { throw .trailingBytes(remaining) }
    }
}
