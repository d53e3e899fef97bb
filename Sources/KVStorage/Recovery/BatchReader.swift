import KVCore

/// Reads the batches of a segment in order and checks every byte of them.
struct BatchReader {
    struct Batch {
        var header: BatchHeader
        /// The offset of the header.
        var offset: UInt64
        /// All records, checked, one after another; valid until the next call of `next`.
        var records: UnsafeRawBufferPointer

        /// Calls `body` with each record and where it begins in the segment.
        func forEach(_ body: (RecordView, UInt32) -> Void) {
            var place = 0
            let start = UInt32(truncatingIfNeeded: offset) + UInt32(BatchHeader.size)
            while place < records.count, let view = RecordView(records, at: place, verify: false) {
                body(view, start + UInt32(place))
                place += view.length
            }
        }
    }

    enum Step {
        case batch(Batch)
        /// Nothing is left before the limit.
        case end
        /// The following bytes are not the expected batch: the log has ended, or is damaged.
        case stop(String)
    }

    let file: any File
    let segment: SegmentIdentity
    /// The file's length, or where the batches are known to end.
    let limit: UInt64
    /// The offset of the next batch.
    private(set) var offset: UInt64
    /// The number that the next batch must have.
    private(set) var expected: UInt64
    private let window: ReadWindow

    init(
        _ file: any File, _ segment: SegmentIdentity, from offset: UInt64, to limit: UInt64, expected: UInt64,
        window: Int = ReadWindow.defaultSize
    ) {
        self.file = file
        self.segment = segment
        self.offset = offset
        self.limit = limit
        self.expected = expected
        self.window = ReadWindow(file: file, size: window)
    }

    mutating func next() throws(FileError) -> Step {
        if offset >= limit { return .end }
        let rest = limit - offset
        guard rest >= UInt64(BatchHeader.size) else { return .stop("a batch's header is cut short") }
        guard let header = BatchHeader(try window.bytes(offset, BatchHeader.size), segment, at: offset) else {
            return .stop("the header of batch \(expected) is missing or not what was written")
        }
        guard header.number == expected else {
            return .stop("batch \(header.number) stands where \(expected) should")
        }
        guard UInt64(header.extent) <= rest else { return .stop("batch \(expected) is cut short") }
        let bytes = try window.bytes(offset, header.extent)
        guard bytes.count == header.extent else { return .stop("batch \(expected) is cut short") }
        let records = bytes.slice(BatchHeader.size, Int(header.length))
        if let bad = Self.firstBad(records) {
            return .stop("the record at byte \(offset + UInt64(BatchHeader.size + bad)) is not what was written")
        }
        guard bytes.get(BatchHeader.size + records.count, as: UInt32.self) == BatchHeader.mark else {
            return .stop("the end of batch \(expected) is not what was written")
        }
        defer {
            offset += UInt64(header.extent)
            expected += 1
        }
        return .batch(Batch(header: header, offset: offset, records: records))
    }

    /// The offset of the first record that is not what was written; nil if all are good.
    static func firstBad(_ records: UnsafeRawBufferPointer) -> Int? {
        var place = 0
        while place < records.count {
            guard let view = RecordView(records, at: place, verify: true) else { return place }
            place += view.length
        }
        return nil
    }
}

/// A piece of a file in memory, read in large steps.
final class ReadWindow {
    static let defaultSize = 1 << 20

    private let file: any File
    private var buffer: UnsafeMutableRawBufferPointer
    private var start: UInt64 = 0
    private var count = 0

    init(file: any File, size: Int) {
        self.file = file
        buffer = .allocate(byteCount: max(size, 4096), alignment: 8)
    }

    deinit { buffer.deallocate() }

    /// Returns `length` bytes from `offset`, or as many as the file has; valid until the next call. The caller makes
    /// sure that `length` is at most the file's size.
    func bytes(_ offset: UInt64, _ length: Int) throws(FileError) -> UnsafeRawBufferPointer {
        if offset < start || offset + UInt64(length) > start + UInt64(count) {
            if length > buffer.count {
                buffer.deallocate()
                buffer = .allocate(byteCount: length, alignment: 8)
            }
            count = 0
            count = try file.read(into: buffer, at: offset)
            start = offset
        }
        let place = Int(offset - start)
        return UnsafeRawBufferPointer(rebasing: buffer[place..<min(place + length, count)])
    }
}
