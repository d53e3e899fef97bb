/// Writes values into memory that the caller has sized by an upper bound (such as `encodedBound`).
///
/// Integers are little-endian or varints (LEB128: seven bits a byte, the lowest first). A wrong bound is this program's
/// own mistake, never a peer's, and stops the process rather than corrupt memory.
struct ByteWriter {
    private let space: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    /// The longest varint of 64 bits.
    static let varintBound = 10

    init(_ space: UnsafeMutableRawBufferPointer) { self.space = space }

    @inline(__always)
    private mutating func take(_ size: Int) -> Int {
        let at = count
        precondition(size <= space.count - at, "bound too small")
        count = at + size
        return at
    }

    @inline(__always)
    mutating func byte(_ value: UInt8) {
        let at = take(1)
        space[at] = value
    }

    @inline(__always)
    mutating func fixed<I: FixedWidthInteger>(_ value: I) {
        let at = take(MemoryLayout<I>.size)
        space.storeBytes(of: value.littleEndian, toByteOffset: at, as: I.self)
    }

    @inline(__always)
    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            byte(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        byte(UInt8(truncatingIfNeeded: rest))
    }

    /// A count or length; a negative one is written as zero.
    @inline(__always)
    mutating func varint(count value: Int) { varint(UInt64(clamping: value)) }

    mutating func raw(_ bytes: UnsafeRawBufferPointer) {
        let at = take(bytes.count)
        UnsafeMutableRawBufferPointer(rebasing: space[at..<count]).copyMemory(from: bytes)
    }

    /// The length, then the bytes.
    mutating func bytes(_ value: [UInt8]) {
        varint(count: value.count)
        value.withUnsafeBytes { raw($0) }
    }

    /// The length in bytes, then UTF-8.
    mutating func string(_ value: String) {
        varint(count: value.utf8.count)
        let written: Void? = value.utf8.withContiguousStorageIfAvailable { raw(UnsafeRawBufferPointer($0)) }
        if written == nil { Array(value.utf8).withUnsafeBytes { raw($0) } }
    }
}

extension String {
    /// The first whole characters that take at most `limit` bytes.
    func cut(to limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: limit)
        while end.samePosition(in: self) == nil, end > utf8.startIndex { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
