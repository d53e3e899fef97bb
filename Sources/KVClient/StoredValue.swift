import KVModel

/// The value of a key.
public struct StoredValue: Hashable, Sendable {
    public var bytes: [UInt8]
    public var version: Version
    /// The media type.
    public var contentType: String
    /// The time until the value expires, in whole seconds, as the server reports it; nil if it does not expire.
    public var timeToLive: Duration?

    /// The bytes as UTF-8; nil if they are not valid UTF-8.
    public var text: String? { String(validating: bytes, as: UTF8.self) }

    public init(bytes: [UInt8], version: Version, contentType: String, timeToLive: Duration?) {
        self.bytes = bytes
        self.version = version
        self.contentType = contentType
        self.timeToLive = timeToLive
    }
}
