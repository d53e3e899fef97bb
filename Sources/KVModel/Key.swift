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
