/// One file of the log, and what the store knows about its contents without reading them.
final class Segment {
    let number: UInt32
    /// Nil until the segment's first batch is written.
    var file: (any File)?
    /// The offset at which the written batches end; final once the segment is sealed.
    var end: UInt64 = 0
    /// True when nothing more will be written to the segment.
    var isSealed = false
    var hasSidecar = false
    /// True when some of its bytes are not what was written: it is emptied record by record and never read as a whole.
    var isDamaged = false
    /// True when all of its records that could be read lie elsewhere now.
    var isEmptied = false
    /// Bytes of all its values and tombstones.
    @exclusivity(unchecked) var total = 0
    /// Bytes of the records that the index refers to.
    @exclusivity(unchecked) var live = 0
    /// Bytes of purged tombstones: nothing refers to them, but they may hide older records in older segments.
    var suppressors = 0

    init(number: UInt32) { self.number = number }
}

/// The segments by number. Numbers only grow; removed segments leave holes.
struct SegmentTable {
    private var base: UInt32 = 0
    private var segments: [Segment?] = []

    @inline(__always)
    subscript(number: UInt32) -> Segment? {
        guard number >= base, number - base < segments.count else { return nil }
        return segments[Int(number - base)]
    }

    var all: some Sequence<Segment> { segments.lazy.compactMap { $0 } }
    var oldest: Segment? { segments.first ?? nil }

    mutating func add(_ segment: Segment) {
        assert(self[segment.number] == nil, "a number names one segment")
        if segments.isEmpty { base = segment.number }
        guard segment.number >= base else {
            segments.insert(contentsOf: Array(repeating: nil, count: Int(base - segment.number)), at: 0)
            base = segment.number
            segments[0] = segment
            return
        }
        let place = Int(segment.number - base)
        while segments.count <= place { segments.append(nil) }
        segments[place] = segment
    }

    mutating func remove(_ number: UInt32) {
        guard self[number] != nil else { return assertionFailure("a segment is removed once") }
        segments[Int(number - base)] = nil
        let holes = segments.prefix { $0 == nil }.count
        segments.removeFirst(holes)
        base += UInt32(holes)
    }
}
