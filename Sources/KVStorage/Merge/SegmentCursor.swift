import KVCore

/// A place in a sealed segment that is being read from end to end.
struct SegmentCursor: Sendable {
    /// The records of one batch.
    struct Piece: Sendable {
        var bytes: [UInt8]
        /// The offset of the records in the segment.
        var offset: UInt32
    }

    struct Progress: Sendable {
        var pieces: [Piece]
        /// Nil at the segment's end.
        var next: SegmentCursor?
    }

    let file: any File
    let path: String
    let segment: SegmentIdentity
    let end: UInt64
    /// The bytes to read in one step; at least one batch is read.
    let step: Int
    var offset = UInt64(SegmentHeader.size)
    /// The number of the batch at `offset`; nil before the first.
    var batch: UInt64?

    func records() throws(StoreError) -> Progress {
        var pieces: [Piece] = []
        let next = try read { batch in
            pieces.append(Piece(bytes: Array(batch.records), offset: UInt32(batch.offset) + UInt32(BatchHeader.size)))
        }
        return Progress(pieces: pieces, next: next)
    }

    /// Reads a step, calls `body` with each batch, and returns where to go on; nil at the end.
    func read(_ body: (BatchReader.Batch) -> Void) throws(StoreError) -> SegmentCursor? {
        var reader = BatchReader(file, segment, from: offset, to: end, expected: try firstBatch(), window: step)
        while reader.offset - offset < UInt64(step) {
            let found: BatchReader.Step
            do throws(FileError) { found = try reader.next() } catch { throw .reading(error, path, reader.offset) }
            switch found {
            case .batch(let batch): body(batch)
            case .end: return nil
            case .stop(let detail): throw .damaged(file: path, offset: reader.offset, detail: detail)
            }
        }
        var next = self
        next.offset = reader.offset
        next.batch = reader.expected
        return next
    }

    private func firstBatch() throws(StoreError) -> UInt64 {
        if let batch { return batch }
        let window = ReadWindow(file: file, size: 4096)
        let bytes: UnsafeRawBufferPointer
        do throws(FileError) { bytes = try window.bytes(0, SegmentHeader.size) } catch {
            throw .reading(error, path, 0)
        }
        guard let header = SegmentHeader(bytes), header.identity == segment else {
            throw .damaged(file: path, offset: 0, detail: "the segment's header is not what was written")
        }
        return header.firstBatch
    }
}
