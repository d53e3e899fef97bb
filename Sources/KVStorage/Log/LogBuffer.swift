import KVCore

/// One batch on its way to the disk. Its place is fixed when it is begun, so the index can hold a record's location as
/// soon as it is appended, and reads find the record here until it is written.
///
/// The event loop fills and closes it. After that nobody changes it, and the storage thread reads it too.
final class LogBuffer: @unchecked Sendable {
    let segment: SegmentIdentity
    /// The offset of the batch in the segment.
    let offset: UInt32
    /// True for the first batch of a segment that does not exist yet.
    let beginsSegment: Bool
    @exclusivity(unchecked) private(set) var bytes: UnsafeMutableRawPointer
    @exclusivity(unchecked) private(set) var capacity: Int
    @exclusivity(unchecked) private(set) var count = BatchHeader.size
    /// True when the batch has something that is synced in every mode.
    var mustSync = false
    /// The position of the last append in the batch.
    @exclusivity(unchecked) var lastPosition: LogPosition = 0
    /// The batch's number, assigned when it is closed.
    private(set) var number: UInt64 = 0

    init(segment: SegmentIdentity, offset: UInt32, beginsSegment: Bool) {
        self.segment = segment
        self.offset = offset
        self.beginsSegment = beginsSegment
        capacity = 16 << 10
        bytes = .allocate(byteCount: capacity, alignment: 8)
    }

    deinit { bytes.deallocate() }

    var records: Int { count - BatchHeader.size }
    /// The offset of the next batch in the segment.
    var end: UInt32 { offset + UInt32(BatchHeader.extent(of: records)) }

    /// Returns room for a record of this length. The caller writes the record there and then calls `commit`.
    @inline(__always)
    func room(_ length: Int) -> UnsafeMutableRawPointer {
        if capacity - count < length + BatchHeader.trailerSize + 8 { grow(length) }
        return bytes + count
    }

    /// - Returns: where the record begins.
    @inline(__always)
    func commit(_ length: Int) -> Location {
        assert(number == 0, "nothing is added to a closed batch")
        assert(count + length + BatchHeader.trailerSize <= capacity, "room was asked for")
        let location = Location(segment: segment.number, offset: offset + UInt32(count))
        count += length
        return location
    }

    /// Writes the header and the trailer; nothing is added afterwards.
    /// - Parameter synced: the last batch known to be on disk.
    func close(number: UInt64, synced: UInt64) {
        assert(self.number == 0 && synced < number, "a batch is closed once, and not synced before")
        self.number = number
        let header = BatchHeader(length: UInt32(records), number: number, synced: synced)
        header.encode(into: bytes, segment, at: UInt64(offset))
        let extent = header.extent
        bytes.put(BatchHeader.mark, at: count)
        let padding = count + BatchHeader.trailerSize
        (bytes + padding).initializeMemory(as: UInt8.self, repeating: 0, count: extent - padding)
    }

    /// The bytes to write, of a closed batch.
    var closed: UnsafeRawBufferPointer {
        assert(number > 0, "only a closed batch is written")
        return UnsafeRawBufferPointer(start: bytes, count: BatchHeader.extent(of: records))
    }

    /// The record at a location in this batch.
    func record(at location: Location) -> RecordView? {
        RecordView(
            UnsafeRawBufferPointer(start: bytes, count: count), at: Int(location.offset) - Int(offset), verify: false)
    }

    private func grow(_ length: Int) {
        capacity = max(capacity * 2, count + length + BatchHeader.trailerSize + 8)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
        larger.copyMemory(from: bytes, byteCount: count)
        bytes.deallocate()
        bytes = larger
    }
}
