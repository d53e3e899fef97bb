/// The time at which a record expires. `never` compares as later than any other.
package struct Expiry: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970, UTC; 0 is `never`.
    package var milliseconds: UInt64

    package static let never = Expiry(milliseconds: 0)

    @inlinable
    package init(milliseconds: UInt64) { self.milliseconds = milliseconds }

    /// True if a record with this expiry has expired at `wall` (milliseconds since 1970).
    @inlinable
    package func hasPassed(at wall: UInt64) -> Bool { milliseconds != 0 && milliseconds <= wall }

    /// The milliseconds that a record with this expiry has left at `wall`; nil if it does not expire. At least 1: a
    /// node that answers with the record must not say that it is gone. The time is asked for only if it matters.
    @inlinable
    package func left(at wall: @autoclosure () -> UInt64) -> UInt64? {
        guard milliseconds != 0 else { return nil }
        let wall = wall()
        return milliseconds > wall ? milliseconds - wall : 1
    }

    @inlinable
    package static func < (a: Self, b: Self) -> Bool { a.milliseconds &- 1 < b.milliseconds &- 1 }
}

/// A record without its value, as a replica has it in memory for each key.
package struct RecordHead: Hashable, Sendable {
    package var version: Version
    package var expiry: Expiry
    package var isTombstone: Bool

    @inlinable
    package init(version: Version, expiry: Expiry, isTombstone: Bool) {
        self.version = version
        self.expiry = expiry
        self.isTombstone = isTombstone
    }

    /// True if a client sees a value at `wall` (milliseconds since 1970).
    @inlinable
    package func isPresent(at wall: UInt64) -> Bool { !isTombstone && !expiry.hasPassed(at: wall) }
}

/// One version of a key, as it is stored and replicated. A delete is a record too: a tombstone.
package struct Record: Hashable, Sendable {
    package var version: Version
    package var expiry: Expiry
    /// Nil for a tombstone.
    package var value: [UInt8]?
    /// A media type, at most `maximumContentType` bytes of UTF-8. Empty means `application/octet-stream`.
    package var contentType: String

    /// The length of the longest media type, in bytes.
    package static let maximumContentType = 255

    @inlinable
    package init(version: Version, expiry: Expiry = .never, value: [UInt8]?, contentType: String = "") {
        self.version = version
        self.expiry = expiry
        self.value = value
        self.contentType = contentType
    }

    @inlinable
    package var head: RecordHead { RecordHead(version: version, expiry: expiry, isTombstone: value == nil) }
}
