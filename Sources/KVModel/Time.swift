/// A point in time of a monotonic clock, in nanoseconds. Its zero has no meaning.
package struct Instant: Hashable, Comparable, Sendable {
    package var nanoseconds: UInt64

    @inlinable
    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Later than any that comes.
    package static let distantFuture = Instant(nanoseconds: .max)

    @inlinable
    package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates at the latest instant.
    @inlinable
    package static func + (a: Self, duration: Nanoseconds) -> Self {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(duration.nanoseconds)
        return Self(nanoseconds: overflow ? .max : sum)
    }

    /// The time from `b` to `a`. Zero if `b` is later.
    @inlinable
    package static func - (a: Self, b: Self) -> Nanoseconds {
        Nanoseconds(nanoseconds: a.nanoseconds > b.nanoseconds ? a.nanoseconds - b.nanoseconds : 0)
    }
}

/// A length of time in nanoseconds, never negative. It has 64 bits, because it is added and compared for every request;
/// Swift's `Duration` has 128. Users of the client library see `Duration` only.
package struct Nanoseconds: Hashable, Comparable, Sendable {
    package var nanoseconds: UInt64

    package static let zero = Nanoseconds(nanoseconds: 0)

    @inlinable
    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// A length of `count` milliseconds. Saturates at `UInt64.max` nanoseconds, which is 584 years.
    @inlinable
    package static func milliseconds(_ count: UInt64) -> Self {
        let (product, overflow) = count.multipliedReportingOverflow(by: 1_000_000)
        return Self(nanoseconds: overflow ? .max : product)
    }

    /// Whole milliseconds, rounded down.
    @inlinable
    package var milliseconds: UInt64 { nanoseconds / 1_000_000 }

    @inlinable
    package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
}

// These are the only conversions between the two types. Neither traps, however long the time is.
extension Nanoseconds {
    /// Rounds down to a whole nanosecond, and saturates: zero for a negative time, 584 years for a longer one.
    package init(_ duration: Duration) {
        // `Duration.components` would trap for a time that no 64 bits of seconds hold.
        self.init(nanoseconds: UInt64(clamping: duration.attoseconds / 1_000_000_000))
    }
}

extension Nanoseconds {
    /// The pause before another attempt, which is twice as long each time.
    ///
    /// - Parameters:
    ///   - attempts: The number of attempts so far that were repetitions.
    ///   - most: The number of times that the pause is doubled, at most.
    package func doubled(_ attempts: Int, atMost most: Int) -> Nanoseconds {
        let factor = UInt64(1) << UInt64(max(0, min(attempts, most, 63)))
        let (product, overflow) = nanoseconds.multipliedReportingOverflow(by: factor)
        return Nanoseconds(nanoseconds: overflow ? .max : product)
    }
}

extension Duration {
    package init(_ time: Nanoseconds) { self = .nanoseconds(time.nanoseconds) }
}

/// The present time by both clocks.
package struct Now: Sendable {
    /// The time that timeouts are measured by.
    package var monotonic: Instant
    /// The time of day that records expire by, in milliseconds since 1970, UTC.
    package var wall: UInt64

    @inlinable
    package init(monotonic: Instant, wall: UInt64) {
        self.monotonic = monotonic
        self.wall = wall
    }
}
