import KVCore

/// A step of merging that has been read, and how far its records have been looked at.
struct Copying {
    /// The place of the step in the segment that is being merged.
    let cursor: SegmentCursor
    /// The place of the step after it; nil at the segment's end.
    let next: SegmentCursor?
    private let pieces: [SegmentCursor.Piece]
    /// The batch to look at, and the place of its next record.
    private var piece = 0
    private var place = 0

    init(cursor: SegmentCursor, progress: SegmentCursor.Progress) {
        self.cursor = cursor
        next = progress.next
        pieces = progress.pieces
    }

    /// Calls `body` with the next records and their locations, as many at a time as are looked up together. They are
    /// only valid until it returns.
    /// - Parameter limit: The largest number of records; at least one is looked at.
    /// - Returns: true when none is left.
    mutating func forEach(limit: Int, _ body: ([(RecordView, Location)]) -> Void) -> Bool {
        var left = max(limit, 1)
        while piece < pieces.count {
            guard left > 0 else { return false }
            let read = pieces[piece]
            let wanted = min(left, LogStore.lookupBatch)
            let count = read.bytes.withUnsafeBytes { bytes in
                let records = take(wanted, of: bytes, at: read.offset)
                body(records)
                return records.count
            }
            left -= count
            if count < wanted || place >= read.bytes.count { (piece, place) = (piece + 1, 0) }
        }
        return true
    }

    /// The next records of a batch, at most so many.
    private mutating func take(
        _ limit: Int, of bytes: UnsafeRawBufferPointer, at offset: UInt32
    ) -> [(RecordView, Location)] {
        var records: [(RecordView, Location)] = []
        records.reserveCapacity(limit)
        while records.count < limit, let view = RecordView(bytes, at: place, verify: false) {
            records.append((view, Location(segment: cursor.segment.number, offset: offset + UInt32(place))))
            place += view.length
        }
        return records
    }
}
