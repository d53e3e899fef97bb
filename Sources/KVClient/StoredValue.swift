import KVModel
import KVProtocol

/// The value of a key.
public struct StoredValue: Hashable, Sendable {
    public var bytes: [UInt8]
    public var version: Version
    /// The media type.
    public var contentType: String
    /// The time until the value expires, in whole milliseconds, as the node reports it; nil if it does not expire.
    public var timeToLive: Duration?

    /// The bytes as UTF-8; nil if they are not valid UTF-8.
    public var text: String? { String(validating: bytes, as: UTF8.self) }

    public init(bytes: [UInt8], version: Version, contentType: String, timeToLive: Duration?) {
        self.bytes = bytes
        self.version = version
        self.contentType = contentType
        self.timeToLive = timeToLive
    }

    init(_ found: FoundValue) {
        self.init(
            bytes: found.value, version: found.version,
            contentType: found.contentType.isEmpty ? Self.defaultContentType : found.contentType,
            timeToLive: found.milliseconds.map { .milliseconds(Int64(clamping: $0)) })
    }

    /// What a value without a media type is taken for.
    static let defaultContentType = "application/octet-stream"
}
