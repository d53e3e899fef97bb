/// When a record expires: milliseconds since 1970, UTC; `never` is 0, and later than any other.
package struct Expiry: Hashable, Comparable, Sendable {
    package var milliseconds: UInt64

    package static let never = Expiry(milliseconds: 0)

    @inlinable
    package init(milliseconds: UInt64) { self.milliseconds = milliseconds }

    /// Whether a record with this expiry is absent at `wall` (milliseconds since 1970).
    @inlinable
    package func hasPassed(at wall: UInt64) -> Bool { milliseconds != 0 && milliseconds <= wall }

    @inlinable
    package static func < (a: Self, b: Self) -> Bool { a.milliseconds &- 1 < b.milliseconds &- 1 }
}

/// What a replica knows of a key without its value.
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

    /// Whether a client sees a value here at `wall`.
    @inlinable
    package func isPresent(at wall: UInt64) -> Bool { !isTombstone && !expiry.hasPassed(at: wall) }
}

/// One version of a key, as it is stored and replicated. A delete is a record too: a tombstone.
package struct Record: Hashable, Sendable {
    package var version: Version
    package var expiry: Expiry
    /// Nil in a tombstone.
    package var value: [UInt8]?
    /// Media type, at most 255 bytes of UTF-8; empty means `application/octet-stream`.
    package var contentType: String

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
