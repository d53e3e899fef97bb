import FoundationEssentials
import KVModel
import KVProtocol

/// A key in a listing.
public struct KeyEntry: Hashable, Sendable {
    public var key: Key
    /// Nil if values were not asked for.
    public var value: [UInt8]?
    /// Nil if values were not asked for.
    public var version: Version?

    public init(key: Key, value: [UInt8]? = nil, version: Version? = nil) {
        self.key = key
        self.value = value
        self.version = version
    }
}

/// One page of a listing.
public struct KeyPage: Hashable, Sendable {
    /// The keys in the ring's order: by slot, then bytewise. There may be none though more pages follow.
    public var entries: [KeyEntry]
    /// The place where the next page begins; nil if this is the last page.
    public var cursor: String?
}

extension KeyPage {
    init(_ page: FoundPage) {
        entries = page.entries.map { KeyEntry(key: $0.key, value: $0.found?.value, version: $0.found?.version) }
        cursor = page.cursor.map { String(decoding: $0, as: UTF8.self) }
    }
}

extension KeyPage: Decodable {
    private enum CodingKeys: CodingKey {
        case keys, cursor
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        entries = try fields.decode([Entry].self, forKey: .keys).map(\.entry)
        cursor = try fields.decodeIfPresent(String.self, forKey: .cursor)
    }

    /// An entry as the server writes it: bytes that are not UTF-8 are in base64.
    private struct Entry: Decodable {
        enum CodingKeys: String, CodingKey {
            case key, encoding, value, version
            case valueEncoding = "value_encoding"
        }

        let entry: KeyEntry

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            guard let key = try Self.bytes(.key, .encoding, fields) else {
                throw DecodingError.valueNotFound(
                    String.self, .init(codingPath: fields.codingPath, debugDescription: "an entry without a key"))
            }
            let version = try fields.decodeIfPresent(String.self, forKey: .version).flatMap { Version($0) }
            entry = KeyEntry(key: Key(key), value: try Self.bytes(.value, .valueEncoding, fields), version: version)
        }

        private static func bytes(
            _ name: CodingKeys, _ encoding: CodingKeys, _ fields: KeyedDecodingContainer<CodingKeys>
        ) throws -> [UInt8]? {
            guard let text = try fields.decodeIfPresent(String.self, forKey: name) else { return nil }
            switch try fields.decodeIfPresent(String.self, forKey: encoding) {
            case nil: return Array(text.utf8)
            case "base64":
                if let data = Data(base64Encoded: text) { return Array(data) }
                fallthrough
            default:
                throw DecodingError.dataCorruptedError(
                    forKey: name, in: fields, debugDescription: "bytes in an unknown encoding")
            }
        }
    }
}
