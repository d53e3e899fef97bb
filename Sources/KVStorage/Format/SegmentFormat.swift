import KVCore

/// The file that a piece of the log belongs to. It is mixed into the checksums of batch headers and sidecar blocks, so
/// that bytes copied from elsewhere, or stored as a value, never pass for one.
struct SegmentIdentity: Hashable, Sendable {
    var store: UUID128
    var shard: UInt16
    var number: UInt32

    /// A checksum of the identity and an offset, to continue from.
    func salt(_ offset: UInt64) -> UInt32 {
        withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { buffer in
            guard let base = buffer.baseAddress else { return 0 }
            base.put(store.high, at: 0)
            base.put(store.low, at: 8)
            base.put(UInt32(shard), at: 16)
            base.put(number, at: 20)
            base.put(offset, at: 24)
            return checksum(UnsafeRawBufferPointer(buffer))
        }
    }
}

/// The first bytes of a segment. The layout is frozen for all formats, so that any version can tell which format a file
/// has.
///
///     0 magic   8 format   12 number   16 store   32 shard   36 zero   40 number of the first batch
///     48 length of the segment before   56 checksum   60 mark
struct SegmentHeader: Hashable, Sendable {
    var identity: SegmentIdentity
    /// The number that the segment's first batch has or would have.
    var firstBatch: UInt64
    /// The length of the segment before; 0 for the first.
    var previousEnd: UInt64
    var format = Self.firstFormat

    static let size = 64
    /// The format of segments from before the first split.
    static let firstFormat: UInt32 = 2
    /// The format of segments that were begun after a split. It differs in nothing but what a record's partition means:
    /// earlier versions go by it alone, and must not open such a store.
    static let splitFormat: UInt32 = 3
    static let magic: UInt64 = 0x676f_6c2d_766b_0a89  // 89 0A "kv-log"

    func encode(into target: UnsafeMutableRawPointer, magic: UInt64 = Self.magic) {
        target.put(magic, at: 0)
        target.put(format, at: 8)
        target.put(identity.number, at: 12)
        target.put(identity.store.high, at: 16)
        target.put(identity.store.low, at: 24)
        target.put(UInt32(identity.shard), at: 32)
        target.put(UInt32(0), at: 36)
        target.put(firstBatch, at: 40)
        target.put(previousEnd, at: 48)
        target.put(checksum(UnsafeRawBufferPointer(start: target, count: 56)), at: 56)
        target.put(BatchHeader.mark, at: 60)
    }

    /// Nil when the bytes are damaged. The caller still has to compare `format` and the identity.
    init?(_ bytes: UnsafeRawBufferPointer, magic: UInt64 = Self.magic) {
        guard bytes.count >= Self.size, bytes.get(0) == magic, bytes.get(60) == BatchHeader.mark,
            checksum(bytes.slice(0, 56)) == bytes.get(56, as: UInt32.self)
        else { return nil }
        format = bytes.get(8)
        let store = UUID128(high: bytes.get(16), low: bytes.get(24))
        identity = SegmentIdentity(
            store: store, shard: UInt16(truncatingIfNeeded: bytes.get(32, as: UInt32.self)), number: bytes.get(12))
        firstBatch = bytes.get(40)
        previousEnd = bytes.get(48)
    }

    init(identity: SegmentIdentity, firstBatch: UInt64, previousEnd: UInt64) {
        self.identity = identity
        self.firstBatch = firstBatch
        self.previousEnd = previousEnd
    }
}

/// The header of a batch, which is what one commit writes. It begins at a multiple of 8. The records, a trailer of
/// `trailerSize` bytes, and zeros up to the next multiple of 8 follow.
///
///     0 magic   4 bytes of records   8 number   16 synced   24 checksum (salted with file and offset)   28 mark
struct BatchHeader: Hashable, Sendable {
    /// The length of the records in bytes.
    var length: UInt32
    /// The number of the batch, counted over all of the store's segments.
    var number: UInt64
    /// The number of a batch: it and all before it were synced before this one was written. If one of them is bad, that
    /// is damage and not the trace of a crash.
    var synced: UInt64

    static let size = 32
    static let magic: UInt32 = 0xb47c_9e11
    /// Contains no zero byte: if the last byte of a mark on disk is zero, the write was cut short.
    static let mark: UInt32 = 0xa5c3_96e1
    static let trailerSize = 4

    func encode(into target: UnsafeMutableRawPointer, _ segment: SegmentIdentity, at offset: UInt64) {
        target.put(Self.magic, at: 0)
        target.put(length, at: 4)
        target.put(number, at: 8)
        target.put(synced, at: 16)
        target.put(
            checksum(UnsafeRawBufferPointer(start: target, count: 24), continuing: segment.salt(offset)), at: 24)
        target.put(Self.mark, at: 28)
    }

    init(length: UInt32, number: UInt64, synced: UInt64) {
        self.length = length
        self.number = number
        self.synced = synced
    }

    /// Nil unless `bytes` begin with a header written for this place.
    init?(_ bytes: UnsafeRawBufferPointer, _ segment: SegmentIdentity, at offset: UInt64) {
        guard bytes.count >= Self.size, bytes.get(0) == Self.magic, bytes.get(28) == Self.mark,
            checksum(bytes.slice(0, 24), continuing: segment.salt(offset)) == bytes.get(24, as: UInt32.self)
        else { return nil }
        length = bytes.get(4)
        number = bytes.get(8)
        synced = bytes.get(16)
    }

    /// The number of bytes from this header to the next one.
    var extent: Int { Self.extent(of: Int(length)) }

    static func extent(of length: Int) -> Int { (size + length + trailerSize + 7) & ~7 }
}

enum FileName {
    static func segment(_ number: UInt32) -> String { padded(number) + ".log" }
    static func sidecar(_ number: UInt32) -> String { padded(number) + ".index" }
    static func temporary(_ name: String) -> String { name + ".tmp" }

    /// The number in a name with this ending; nil for any other name.
    static func number(_ name: String, _ ending: String) -> UInt32? {
        guard name.hasSuffix(ending) else { return nil }
        let digits = name.dropLast(ending.count)
        guard digits.utf8.count == 10, digits.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
        return UInt32(digits)
    }

    private static func padded(_ number: UInt32) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 10 - digits.utf8.count) + digits
    }
}
