/// A key: any bytes, also none. Keys are ordered byte by byte.
public struct Key: Hashable, Comparable, Sendable {
    /// The length of the longest key, in bytes. The setting `limits.key` may be lower.
    public static let maximumBytes = Int(UInt16.max)

    public let bytes: [UInt8]

    @inlinable
    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The key whose bytes are the UTF-8 of `text`.
    public init(_ text: String) { bytes = Array(text.utf8) }

    @inlinable
    public static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }

    /// Hashes all bytes at once, because an array would hash them one by one.
    @inlinable
    public func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
}

extension Key: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    public init(stringLiteral text: String) { self.init(text) }
}

extension Key: CustomStringConvertible {
    /// The bytes as UTF-8, with U+FFFD in the place of what is not.
    public var description: String { String(decoding: bytes, as: UTF8.self) }

    /// The key in quotes, as messages show it. A long key is cut after 60 bytes, and its length is added.
    package var quoted: String {
        let shown = 60
        let text = String(decoding: bytes.prefix(shown), as: UTF8.self)
        return bytes.count <= shown ? "'\(text)'" : "'\(text)...' (\(bytes.count) bytes)"
    }
}
