/// A key: any bytes, ordered bytewise.
public struct Key: Hashable, Comparable, Sendable {
    /// The longest key that the store and the wire hold, in bytes; `limits.key` is at most this. The shortest has none.
    public static let maximumBytes = Int(UInt16.max)

    public let bytes: [UInt8]

    @inlinable
    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    public init(_ text: String) { bytes = Array(text.utf8) }

    @inlinable
    public static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }

    /// All bytes at once: an array hashes itself byte by byte.
    @inlinable
    public func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
}

extension Key: CustomStringConvertible {
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}

/// When a record expires: milliseconds since 1970, UTC; `never` is 0, and later than any other.
public struct Expiry: Hashable, Comparable, Sendable {
    public var milliseconds: UInt64

    public static let never = Expiry(milliseconds: 0)

    @inlinable
    public init(milliseconds: UInt64) { self.milliseconds = milliseconds }

    /// Whether a record with this expiry is absent at `wall` (milliseconds since 1970).
    @inlinable
    public func hasPassed(at wall: UInt64) -> Bool { milliseconds != 0 && milliseconds <= wall }

    @inlinable
    public static func < (a: Self, b: Self) -> Bool { a.milliseconds &- 1 < b.milliseconds &- 1 }
}

/// What a replica knows of a key without its value.
public struct RecordHead: Hashable, Sendable {
    public var version: Version
    public var expiry: Expiry
    public var isTombstone: Bool

    @inlinable
    public init(version: Version, expiry: Expiry, isTombstone: Bool) {
        self.version = version
        self.expiry = expiry
        self.isTombstone = isTombstone
    }

    /// Whether a client sees a value here at `wall`.
    @inlinable
    public func isPresent(at wall: UInt64) -> Bool { !isTombstone && !expiry.hasPassed(at: wall) }
}

/// One version of a key, as it is stored and replicated. A delete is a record too: a tombstone.
public struct Record: Hashable, Sendable {
    public var version: Version
    public var expiry: Expiry
    /// Nil in a tombstone.
    public var value: [UInt8]?
    /// Media type, at most 255 bytes of UTF-8; empty means `application/octet-stream`.
    public var contentType: String

    public static let maximumContentType = 255

    @inlinable
    public init(version: Version, expiry: Expiry = .never, value: [UInt8]?, contentType: String = "") {
        self.version = version
        self.expiry = expiry
        self.value = value
        self.contentType = contentType
    }

    @inlinable
    public var head: RecordHead { RecordHead(version: version, expiry: expiry, isTombstone: value == nil) }
}
