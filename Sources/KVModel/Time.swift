/// Nanoseconds of a monotonic clock whose zero means nothing.
package struct Instant: Hashable, Comparable, Sendable {
    package var nanoseconds: UInt64

    @inlinable
    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    @inlinable
    package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates at both ends.
    @inlinable
    package static func + (a: Self, span: Nanoseconds) -> Self {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(span.nanoseconds)
        return Self(nanoseconds: overflow ? .max : sum)
    }

    /// The time from `b` to `a`; zero where `b` is later.
    @inlinable
    package static func - (a: Self, b: Self) -> Nanoseconds {
        Nanoseconds(nanoseconds: a.nanoseconds > b.nanoseconds ? a.nanoseconds - b.nanoseconds : 0)
    }
}

/// A length of time, never negative: the store's own, of 64 bits, as it is added and compared for every request.
/// (Swift's `Duration` has 128 bits.)
public struct Nanoseconds: Hashable, Comparable, Sendable {
    public var nanoseconds: UInt64

    public static let zero = Nanoseconds(nanoseconds: 0)

    @inlinable
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Saturates.
    @inlinable
    public static func milliseconds(_ count: UInt64) -> Self {
        let (product, overflow) = count.multipliedReportingOverflow(by: 1_000_000)
        return Self(nanoseconds: overflow ? .max : product)
    }

    @inlinable
    public var milliseconds: UInt64 { nanoseconds / 1_000_000 }

    @inlinable
    public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
}

/// What time it is, by both clocks. Timeouts go by the first, expiry of records by the second.
package struct Now: Sendable {
    package var monotonic: Instant
    /// Milliseconds since 1970, UTC.
    package var wall: UInt64

    @inlinable
    package init(monotonic: Instant, wall: UInt64) {
        self.monotonic = monotonic
        self.wall = wall
    }
}
