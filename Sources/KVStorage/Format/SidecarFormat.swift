import KVCore

/// An entry of a sidecar: a record without its value.
///
///     0 kind   1 zero   2 length of key   4 partition   6 zero   8 length of record   12 offset   16 ballot
///     24 sequence   32 expiry   40 checksum of what a value holds   44 key, or the value of a state
struct SidecarEntry {
    static let headerSize = 44

    let bytes: UnsafeRawBufferPointer
    let kind: RecordKind

    init?(_ region: UnsafeRawBufferPointer, at place: Int) {
        guard place >= 0, region.count - place >= Self.headerSize else { return nil }
        let keyLength = Int(region.get(place + 2, as: UInt16.self))
        guard region.count - place - Self.headerSize >= keyLength else { return nil }
        bytes = region.slice(place, Self.headerSize + keyLength)
        guard let kind = RecordKind(rawValue: bytes[0]),
            kind != .state || keyLength == PartitionState.encodedSize
        else { return nil }
        self.kind = kind
        guard length >= RecordFormat.headerSize, length <= RecordFormat.maximumLength else { return nil }
    }

    var partition: PartitionID { PartitionID(bytes.get(4)) }
    /// The length of the record.
    var length: Int { Int(bytes.get(8, as: UInt32.self)) }
    var offset: UInt32 { bytes.get(12) }
    var version: Version { Version(ballot: Ballot(raw: bytes.get(16)), sequence: bytes.get(24)) }
    var expiry: Expiry { Expiry(milliseconds: bytes.get(32)) }
    var checksum: UInt32 { bytes.get(40) }
    /// Of a state: the number of partitions when it was written; 0 where nothing had been split.
    var splitCount: Int { Int(clamping: version.sequence) }
    var key: UnsafeRawBufferPointer { bytes.slice(Self.headerSize, bytes.count - Self.headerSize) }

    func state() -> PartitionState {
        PartitionState(promise: version.ballot, value: key)
    }

    static func append(_ view: RecordView, at offset: UInt32, to output: inout [UInt8]) {
        let key = view.kind == .state ? view.value : view.key
        withUnsafeTemporaryAllocation(byteCount: headerSize, alignment: 8) { header in
            guard let base = header.baseAddress else { return }
            base.put(view.kind.rawValue, at: 0)
            base.put(UInt8(0), at: 1)
            base.put(UInt16(truncatingIfNeeded: key.count), at: 2)
            base.put(view.partition.raw, at: 4)
            base.put(UInt16(0), at: 6)
            base.put(UInt32(truncatingIfNeeded: view.length), at: 8)
            base.put(offset, at: 12)
            base.put(view.version.ballot.raw, at: 16)
            base.put(view.version.sequence, at: 24)
            base.put(view.expiry.milliseconds, at: 32)
            base.put(view.contentChecksum, at: 40)
            output.append(contentsOf: UnsafeRawBufferPointer(header))
        }
        output.append(contentsOf: key)
    }
}

/// The layout of a sidecar: a segment header with its own magic, then blocks, then a last block that has only totals.
///
///     block: 0 bytes of entries   4 checksum (salted with file and offset)   8 entries
///     last:  0 zero   4 checksum   8 end of the segment   16 number of the last batch   24 entries
enum SidecarFormat {
    static let magic: UInt64 = 0x7864_692d_766b_0a89  // 89 0A "kv-idx"
    /// The format of sidecars. A sidecar of another format is ignored and written anew: format 2, which version 0.2
    /// wrote, had no checksums.
    static let format: UInt32 = 3
    static let blockHeaderSize = 8
    static let lastBlockSize = 32
    /// Bytes after which a block is closed. One more entry may exceed it.
    static let blockSize = 256 << 10
    static let maximumBlock = blockSize + RecordFormat.maximumKey + SidecarEntry.headerSize

    static func salt(_ segment: SegmentIdentity, _ offset: UInt64) -> UInt32 {
        ~segment.salt(offset)
    }

    /// Encodes entries as a block.
    static func block(_ entries: [UInt8], _ segment: SegmentIdentity, at offset: UInt64) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: blockHeaderSize)
        block.append(contentsOf: entries)
        seal(&block, from: blockHeaderSize, length: UInt32(entries.count), segment, at: offset)
        return block
    }

    static func last(_ totals: SidecarTotals, _ segment: SegmentIdentity, at offset: UInt64) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: lastBlockSize)
        block.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            base.put(totals.end, at: 8)
            base.put(totals.lastBatch, at: 16)
            base.put(totals.entries, at: 24)
        }
        seal(&block, from: blockHeaderSize, length: 0, segment, at: offset)
        return block
    }

    private static func seal(
        _ block: inout [UInt8], from start: Int, length: UInt32, _ segment: SegmentIdentity, at offset: UInt64
    ) {
        block.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            let body = UnsafeRawBufferPointer(bytes).slice(start, bytes.count - start)
            base.put(length, at: 0)
            base.put(checksum(body, continuing: salt(segment, offset)), at: 4)
        }
    }
}

struct SidecarTotals: Hashable, Sendable {
    /// The offset at which the segment's batches end.
    var end: UInt64
    var lastBatch: UInt64
    var entries: UInt64
}
