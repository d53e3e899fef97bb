/// The place of a record: a segment and an offset in bytes. Locations are ordered as the log is.
struct Location: Hashable, Comparable, Sendable {
    var segment: UInt32
    var offset: UInt32

    static let zero = Location(segment: 0, offset: 0)

    @inline(__always)
    var raw: UInt64 { UInt64(segment) << 32 | UInt64(offset) }

    @inline(__always)
    static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
}
