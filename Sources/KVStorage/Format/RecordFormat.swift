import KVCore

/// The kind of a record in the log. The numbers are on disk and never change.
enum RecordKind: UInt8 {
    case value = 1
    case tombstone = 2
    /// A partition's promise, purge floor, wipe and membership: all of them, even when only one has changed.
    case state = 3
}

/// The layout of a record; see docs/disk-format.md.
///
///     0 checksum of all that follows   4 length   8 kind   9 length of content type   10 length of key
///     12 partition   14 zero   16 ballot   24 sequence   32 expiry   40 key, content type, value
enum RecordFormat {
    static let headerSize = 40
    static let maximumKey = Key.maximumBytes
    /// The most bytes of a whole record. It keeps every offset in a segment within 32 bits.
    static let maximumLength = 1 << 29

    /// Writes a record. The caller has checked the limits and that there is room.
    @inline(__always)
    static func encode(
        _ kind: RecordKind, partition: PartitionID, version: Version, expiry: Expiry,
        key: UnsafeRawBufferPointer, contentType: String, value: UnsafeRawBufferPointer,
        into target: UnsafeMutableRawPointer
    ) -> RecordSize {
        var end = headerSize
        if let base = key.baseAddress { (target + end).copyMemory(from: base, byteCount: key.count) }
        end += key.count
        var contentTypeLength = 0
        if !contentType.isEmpty {
            for byte in contentType.utf8 {
                (target + end).storeBytes(of: byte, as: UInt8.self)
                end += 1
                contentTypeLength += 1
            }
        }
        if let base = value.baseAddress { (target + end).copyMemory(from: base, byteCount: value.count) }
        end += value.count
        target.put(UInt32(end), at: 4)
        target.put(kind.rawValue, at: 8)
        target.put(UInt8(contentTypeLength), at: 9)
        target.put(UInt16(key.count), at: 10)
        target.put(partition.raw, at: 12)
        target.put(UInt16(0), at: 14)
        target.put(version.ballot.raw, at: 16)
        target.put(version.sequence, at: 24)
        target.put(expiry.milliseconds, at: 32)
        target.put(checksum(UnsafeRawBufferPointer(start: target + 4, count: end - 4)), at: 0)
        guard kind == .value else { return RecordSize(length: end, checksum: 0) }
        let contents = UnsafeRawBufferPointer(
            start: target + headerSize + key.count, count: end - headerSize - key.count)
        return RecordSize(length: end, checksum: contentChecksum(of: contents, contentTypeLength, expiry))
    }

    /// The checksum by which replicas compare what they hold under one version: of content type and value, seeded with
    /// the expiry and the length of the content type. Sidecars contain it, so it never changes.
    @inline(__always)
    static func contentChecksum(
        of contents: UnsafeRawBufferPointer, _ contentTypeLength: Int, _ expiry: Expiry
    ) -> UInt32 {
        let time = UInt32(truncatingIfNeeded: expiry.milliseconds ^ expiry.milliseconds >> 32)
        return checksum(contents, continuing: time ^ UInt32(truncatingIfNeeded: contentTypeLength) << 24)
    }
}

/// The parts of an index entry that follow from a record's encoding.
struct RecordSize {
    let length: Int
    /// The content checksum; 0 for a tombstone.
    let checksum: UInt32
}

/// A record in memory; valid as long as the bytes that it lies in.
struct RecordView {
    /// Exactly the bytes of the record.
    let bytes: UnsafeRawBufferPointer
    let kind: RecordKind

    /// The record at `offset` of `region`; nil if the bytes there are no valid record.
    /// - Parameter verify: whether to compare the checksum as well.
    init?(_ region: UnsafeRawBufferPointer, at offset: Int, verify: Bool) {
        guard offset >= 0, region.count - offset >= RecordFormat.headerSize else { return nil }
        let length = Int(region.get(offset + 4, as: UInt32.self))
        guard length >= RecordFormat.headerSize, length <= region.count - offset else { return nil }
        bytes = region.slice(offset, length)
        guard let kind = RecordKind(rawValue: bytes[8]) else { return nil }
        self.kind = kind
        let body = Int(bytes.get(10, as: UInt16.self)) + Int(bytes[9])
        guard RecordFormat.headerSize + body <= length, bytes.get(14, as: UInt16.self) == 0 else { return nil }
        if kind == .state, length != RecordFormat.headerSize + PartitionState.encodedSize || body != 0 { return nil }
        if verify, checksum(bytes.slice(4, length - 4)) != bytes.get(0, as: UInt32.self) { return nil }
    }

    var length: Int { bytes.count }
    var partition: PartitionID { PartitionID(bytes.get(12)) }
    var version: Version { Version(ballot: Ballot(raw: bytes.get(16)), sequence: bytes.get(24)) }
    var expiry: Expiry { Expiry(milliseconds: bytes.get(32)) }
    /// Of a state: the number of partitions when it was written; 0 where nothing had been split.
    var splitCount: Int { Int(clamping: version.sequence) }
    private var keyLength: Int { Int(bytes.get(10, as: UInt16.self)) }
    private var contentTypeLength: Int { Int(bytes[9]) }
    var key: UnsafeRawBufferPointer { bytes.slice(RecordFormat.headerSize, keyLength) }
    var contentType: String {
        guard contentTypeLength > 0 else { return "" }
        return String(decoding: bytes.slice(RecordFormat.headerSize + keyLength, contentTypeLength), as: UTF8.self)
    }
    var value: UnsafeRawBufferPointer {
        let start = RecordFormat.headerSize + keyLength + contentTypeLength
        return bytes.slice(start, length - start)
    }

    /// The checksum of content type, value and expiry; 0 for a record that is not a value.
    var contentChecksum: UInt32 {
        guard kind == .value else { return 0 }
        let start = RecordFormat.headerSize + keyLength
        return RecordFormat.contentChecksum(of: bytes.slice(start, length - start), contentTypeLength, expiry)
    }

    /// Copies the record, which is a value or a tombstone.
    func record() -> Record {
        Record(
            version: version, expiry: expiry, value: kind == .value ? Array(value) : nil, contentType: contentType)
    }
}
