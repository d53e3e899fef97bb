import DequeModule
import KVCore

/// The batches that appends gather in until a commit takes them, and their places in the log.
struct LogWriter {
    /// Bytes of records after which a batch is closed and the next begun.
    static let maximumBatch = 4 << 20

    /// The open batch, if there was an append since the last one was closed.
    private(set) var open: LogBuffer?
    /// The full batches that wait for a commit.
    private var full: Deque<LogBuffer> = []
    /// The batch that a commit is writing.
    private(set) var inFlight: LogBuffer?
    /// The location of the next batch; segment 0 before the first.
    private(set) var tail: Location
    /// The offset of the data in the tail's segment: after its header and the partitions' states. Only data counts
    /// against the limit.
    private var dataStart: UInt32
    /// True while the tail's segment lacks the states of the partitions.
    private(set) var needsStates: Bool
    /// True when the next batch begins a segment, however short the tail's is.
    private var endsSegment = false
    /// Bytes of data after which the next batch begins a segment.
    private(set) var limit: UInt32
    private let store: UUID128
    private let shard: UInt16
    /// The number of the next batch to be closed.
    private(set) var nextBatch: UInt64

    /// - Parameters:
    ///   - tail: where the log ends.
    ///   - isEmpty: whether the tail's segment has no batch yet.
    init(_ options: StoreOptions, tail: Location, isEmpty: Bool, nextBatch: UInt64) {
        self.tail = tail
        limit = Self.limit(options.segment)
        store = options.store
        shard = options.shard
        dataStart = UInt32(SegmentHeader.size)
        needsStates = isEmpty
        self.nextBatch = nextBatch
    }

    /// The open batch; nil where there is none, or it is full.
    @inline(__always)
    var openWithRoom: LogBuffer? {
        guard let open, open.records < Self.maximumBatch else { return nil }
        return open
    }

    var pendingBytes: Int { (open?.records ?? 0) + full.reduce(inFlight?.records ?? 0) { $0 + $1.records } }
    var hasPending: Bool { open != nil || !full.isEmpty }

    /// Begins a batch. When `needsStates` is true afterwards, the caller appends the states of the partitions first,
    /// and then calls `statesAppended`.
    mutating func begin() -> LogBuffer {
        assert(openWithRoom == nil, "a batch is filled before the next one begins")
        if let open {
            full.append(open)
            tail.offset = open.end
        }
        var begins = tail.segment == 0 || endsSegment
        if !begins, tail.offset >= dataStart, tail.offset - dataStart >= limit { begins = true }
        if begins {
            endsSegment = false
            tail = Location(segment: tail.segment + 1, offset: UInt32(SegmentHeader.size))
            dataStart = tail.offset
            needsStates = true
        }
        let buffer = LogBuffer(segment: identity(tail.segment), offset: tail.offset, beginsSegment: begins)
        open = buffer
        return buffer
    }

    private static func limit(_ bytes: Int) -> UInt32 {
        UInt32(clamping: min(max(bytes, 1), StoreOptions.maximumSegment))
    }

    /// Sets the size after which the next batch begins a segment.
    mutating func limitSegments(to bytes: Int) { limit = Self.limit(bytes) }

    /// Makes the next batch begin a segment.
    mutating func endSegment() { endsSegment = true }

    /// Makes the next append begin a segment.
    mutating func endSegmentAtOnce() {
        endsSegment = true
        guard let closing = closeOpen() else { return }
        full.append(closing)
    }

    mutating func statesAppended() {
        assert(needsStates && open != nil, "the states come first in a segment")
        needsStates = false
        if let open { dataStart = tail.offset + UInt32(open.count) }
    }

    func identity(_ number: UInt32) -> SegmentIdentity { SegmentIdentity(store: store, shard: shard, number: number) }

    /// Takes the batch that the next commit writes; nil when there is none or a commit is under way.
    mutating func take(synced: UInt64) -> LogBuffer? {
        guard inFlight == nil else { return nil }
        guard let next = full.popFirst() ?? closeOpen() else { return nil }
        next.close(number: nextBatch, synced: synced)
        nextBatch += 1
        inFlight = next
        return next
    }

    /// Removes the batch of the commit that has completed: it is on disk.
    mutating func landed() {
        assert(inFlight != nil, "a commit comes back once")
        inFlight = nil
    }

    /// The batch that holds this location and is not on disk yet.
    func pending(_ location: Location) -> LogBuffer? {
        if let open, holds(open, location) { return open }
        if let inFlight, holds(inFlight, location) { return inFlight }
        return full.first { holds($0, location) }
    }

    private func holds(_ buffer: LogBuffer, _ location: Location) -> Bool {
        buffer.segment.number == location.segment && location.offset >= buffer.offset
            && location.offset - buffer.offset < buffer.count
    }

    private mutating func closeOpen() -> LogBuffer? {
        guard let closing = open else { return nil }
        open = nil
        tail.offset = closing.end
        return closing
    }
}
