import KVCore

// How long the log may get, and how merging and writing share the disk so that it gets no longer.
//
// Let L be the bytes of the records that are needed, and S the size of a segment (`segmentSize`). Beyond 2 L + S / 4
// the log is too long, and the segment with the largest part of garbage is merged. Of its garbage, half is for clients
// to write while it is merged, in proportion to what has been read of it, and half makes the log shorter. So the log
// grows by less than the segment's size until the segment is removed, and is shorter than before afterwards: it takes
// at most 2 L + 2 S at any moment. (Segments with too little garbage to be merged are shorter than 5/3 L together.)
//
// A log of up to a quarter of the largest segment (`StoreOptions.segment`) is never too long: where little is held,
// that is not worth copying records again and again. Then it takes at most that quarter and 2 S.
//
// Merging keeps ahead by itself as a rule: it goes on at once, rather than with the next commit or at the next timer,
// until it is S / 8 ahead of writing. Only when storage threads cannot read as fast as that do commits wait, once
// writing is S / 8 ahead of merging. Then everything that rests on commits becomes slower, as with a slower disk.

/// The log's length beside what is needed of it, and the progress of merging beside that of writing. Bytes.
struct LogRoom {
    /// The sum of all segments' files.
    var disk: UInt64 = 0
    /// The records that are needed, purged tombstones that still hide others included.
    var needed: UInt64 = 0
    /// Whether the log is too long, and whether by so much that merging goes on as fast as it can.
    var isShort = false
    var isVeryShort = false
    /// What commits have taken to write since the start, and the value at which to survey the segments again.
    var taken: UInt64 = 0
    var nextSurvey: UInt64 = 0
    /// The value of `taken` from which on no more may be written than merging reads. Behind `taken` by what was written
    /// too much during the merge before.
    var base: UInt64 = 0
    /// The segment that is being merged, or was merged just before: its size, and what may be written until it has been
    /// read to its end, merging's own appends included. 0 where merging rests.
    private var size: UInt64 = 0
    private var granted: UInt64 = 0

    /// What has been written since `base`.
    var written: UInt64 { taken - base }

    /// What may be written when so much has been read.
    func allowance(_ read: UInt64) -> UInt64 {
        size > 0 ? UInt64(Double(granted) * Double(min(read, size)) / Double(size)) : 0
    }

    /// What may be written when all has been read.
    var allowance: UInt64 { granted }

    /// - Parameter garbage: how much of the segment is not needed.
    mutating func beginMerge(of size: UInt64, garbage: UInt64) {
        base = isShort && granted > 0 ? taken - (written - min(written, granted)) : taken
        self.size = size
        granted = size - min(garbage / 2, size)
    }

    /// Nothing is to be merged.
    mutating func rest() {
        (size, granted) = (0, 0)
        base = taken
    }

    /// The merge that is under way has to keep up from now on.
    mutating func hurry(_ read: UInt64) { base = taken - min(allowance(read), taken) }
}

extension LogStore {
    /// The bytes of appends that may wait for a commit while merging goes on without waiting for one.
    private static let mergedAhead = 8 << 20

    /// The size in bytes after which a new segment begins: a quarter of what the store holds, since a segment is the
    /// least that merging gives back. The states that every segment begins with are to be a small part of it.
    var segmentSize: Int {
        let states = catalog.partitionLimit * Self.stateSize
        let least = max(options.smallestSegment, 16 * states)
        return min(max(least, Int(clamping: room.needed / 4)), options.segment, StoreOptions.maximumSegment)
    }

    private static let stateSize = RecordFormat.headerSize + PartitionState.encodedSize

    /// The length in bytes up to which the log is not worth any copying.
    var neverTooLong: UInt64 { UInt64(max(options.segment, 0) / 4) }

    /// How far writing and merging may get ahead of each other.
    private var slack: UInt64 { UInt64(max(segmentSize / 8, 1)) }

    /// Looks at all segments: how long they are, and how much of them is needed.
    func survey() {
        var (disk, needed) = (UInt64(0), UInt64(0))
        for segment in catalog.segments.all {
            disk += segment.number == written.segment ? max(preallocated, segment.end) : segment.end
            needed += UInt64(clamping: segment.live + segment.suppressors)
        }
        (room.disk, room.needed) = (disk, needed)
        let size = segmentSize
        writer.limitSegments(to: size)
        room.nextSurvey = room.taken + UInt64(max(size / 16, 1))
        let isShort = disk > max(2 * needed + UInt64(size / 4), neverTooLong)
        if isShort, !room.isShort, let cursor = mergedCursor { room.hurry(cursor.offset) }
        if isShort, !room.isShort { nextMaintenanceCheck = min(nextMaintenanceCheck, appended) }
        room.isShort = isShort
        room.isVeryShort = disk > max(2 * needed + UInt64(size / 4 * 3), neverTooLong + UInt64(size / 2))
    }

    /// What may be written by now; nil while nothing is being merged.
    private var allowance: UInt64? { mergedCursor.map { room.allowance($0.offset) } }

    /// How far the segment that is being merged has been copied.
    private var mergedCursor: SegmentCursor? {
        switch maintenance {
        case .merging(let cursor, _): cursor
        case .copying(let copying): copying.cursor
        case .idle, .sealing, .indexing, .emptying, .removing: nil
        }
    }

    /// True while commits wait for a step of maintenance, which is under way or can be taken.
    var holdsCommits: Bool {
        guard room.isShort else { return false }
        if let allowance { return room.written > allowance + slack }
        return maintenanceUnderWay && room.written > room.allowance + slack
    }

    /// True when merging goes on before the appends of its last step are durable.
    var mayMergeAhead: Bool {
        guard room.isShort, let allowance, room.written > allowance else { return false }
        return writer.pendingBytes < Self.mergedAhead || holdsCommits
    }

    /// True when `takeMaintenance` should be called now rather than at the next timer: the log is too long, or a step
    /// has been read and is not copied to its end.
    package var wantsMaintenance: Bool {
        if isCopying { return true }
        guard room.isShort, !maintenanceUnderWay else { return false }
        switch maintenance {
        case .idle, .indexing: return appended >= nextMaintenanceCheck
        case .merging(let cursor, let position):
            let isAhead = !room.isVeryShort && room.written + slack <= room.allowance(cursor.offset)
            return durable >= position && !isAhead || mayMergeAhead
        case .removing(_, let barrier): return durable >= barrier
        case .sealing, .copying, .emptying: return false
        }
    }
}
