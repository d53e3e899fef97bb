import KVModel

/// What a key holds.
public struct StoredValue: Hashable, Sendable {
    public var bytes: [UInt8]
    public var version: Version
    /// Media type.
    public var contentType: String
    /// The time until it expires, in whole seconds, as the server counts them; nil where it does not.
    public var timeToLive: Duration?

    /// The bytes as UTF-8; nil where they are not.
    public var text: String? { String(validating: bytes, as: UTF8.self) }

    public init(bytes: [UInt8], version: Version, contentType: String, timeToLive: Duration?) {
        self.bytes = bytes
        self.version = version
        self.contentType = contentType
        self.timeToLive = timeToLive
    }
}
