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
/// (Swift's `Duration` has 128 bits. The client library's users see only that one.)
package struct Nanoseconds: Hashable, Comparable, Sendable {
    package var nanoseconds: UInt64

    package static let zero = Nanoseconds(nanoseconds: 0)

    @inlinable
    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Saturates.
    @inlinable
    package static func milliseconds(_ count: UInt64) -> Self {
        let (product, overflow) = count.multipliedReportingOverflow(by: 1_000_000)
        return Self(nanoseconds: overflow ? .max : product)
    }

    @inlinable
    package var milliseconds: UInt64 { nanoseconds / 1_000_000 }

    @inlinable
    package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
}

// The only conversions between the two. Neither traps, however long the time is.
extension Nanoseconds {
    /// Rounds down to a whole nanosecond, and saturates: zero for a negative time, 584 years for a longer one.
    package init(_ duration: Duration) {
        // `Duration.components` would trap for a time that no 64 bits of seconds hold.
        self.init(nanoseconds: UInt64(clamping: duration.attoseconds / 1_000_000_000))
    }
}

extension Duration {
    package init(_ time: Nanoseconds) { self = .nanoseconds(time.nanoseconds) }
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
