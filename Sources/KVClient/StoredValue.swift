import KVModel

/// What a key holds.
public struct StoredValue: Hashable, Sendable {
    public var bytes: [UInt8]
    public var version: Version
    /// Media type.
    public var contentType: String
    /// Seconds until it expires, as the server counts them; nil where it does not.
    public var secondsToLive: UInt64?

    /// The bytes as UTF-8; nil where they are not.
    public var text: String? { String(validating: bytes, as: UTF8.self) }

    public init(bytes: [UInt8], version: Version, contentType: String, secondsToLive: UInt64?) {
        self.bytes = bytes
        self.version = version
        self.contentType = contentType
        self.secondsToLive = secondsToLive
    }
}
