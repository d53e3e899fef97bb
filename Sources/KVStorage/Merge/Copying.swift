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

    /// Calls `body` with the next records and their locations, a few at a time. They are only valid until it returns.
    /// - Parameter limit: The largest number of records; at least one is looked at.
    /// - Returns: true when none is left.
    mutating func forEach(limit: Int, _ body: ([(RecordView, Location)]) -> Void) -> Bool {
        var left = max(limit, 1)
        var batch: [(RecordView, Location)] = []
        batch.reserveCapacity(Self.batchSize)
        while piece < pieces.count {
            let read = pieces[piece]
            let isDone = read.bytes.withUnsafeBytes { bytes in
                defer {
                    body(batch)
                    batch.removeAll(keepingCapacity: true)
                }
                while place < bytes.count, let view = RecordView(bytes, at: place, verify: false) {
                    guard left > 0 else { return false }
                    left -= 1
                    let offset = read.offset + UInt32(place)
                    place += view.length
                    batch.append((view, Location(segment: cursor.segment.number, offset: offset)))
                    if batch.count == Self.batchSize {
                        body(batch)
                        batch.removeAll(keepingCapacity: true)
                    }
                }
                return true
            }
            guard isDone else { return false }
            piece += 1
            place = 0
        }
        return true
    }

    /// As many as are looked up together.
    private static let batchSize = 16
}
