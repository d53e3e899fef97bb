import KVCore

/// The list of `If-Match` or `If-None-Match` (RFC 9110, 8.8.3 and 13.1).
enum EntityTags: Equatable {
    /// `*`: any version.
    case any
    case list([EntityTag])

    /// How many tags a list may have.
    static let maximumCount = 64

    /// Reads `*` or a comma-separated list of at least one and at most `maximumCount` tags. Nil for any other text.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        var index = 0
        func skipSpace() { while index < bytes.count, bytes[index] == 0x20 || bytes[index] == 0x09 { index += 1 } }

        skipSpace()
        if index < bytes.count, bytes[index] == UInt8(ascii: "*") {
            index += 1
            skipSpace()
            guard index == bytes.count else { return nil }
            self = .any
            return
        }
        var tags: [EntityTag] = []
        while true {
            guard let tag = EntityTag(bytes, &index), tags.count < Self.maximumCount else { return nil }
            tags.append(tag)
            skipSpace()
            if index == bytes.count { break }
            guard bytes[index] == UInt8(ascii: ",") else { return nil }
            index += 1
            skipSpace()
        }
        self = .list(tags)
    }

    /// Whether a tag of the list names this version, by the weak comparison, which is the one for reads.
    func contains(_ version: Version) -> Bool {
        switch self {
        case .any: true
        case .list(let tags): tags.contains { $0.version == version }
        }
    }
}

struct EntityTag: Equatable {
    var isWeak: Bool
    /// Nil if the quoted text is not a version of this store. Such a tag matches nothing.
    var version: Version?

    init(isWeak: Bool, version: Version?) {
        self.isWeak = isWeak
        self.version = version
    }

    /// Takes `[W/]"..."` off the front of `bytes[index...]`.
    fileprivate init?(_ bytes: [UInt8], _ index: inout Int) {
        isWeak = bytes.count - index >= 2 && bytes[index] == UInt8(ascii: "W") && bytes[index + 1] == UInt8(ascii: "/")
        if isWeak { index += 2 }
        let quote = UInt8(ascii: "\"")
        guard index < bytes.count, bytes[index] == quote else { return nil }
        index += 1
        guard let end = bytes[index...].firstIndex(of: quote),
            bytes[index..<end].allSatisfy({ $0 > 0x20 && $0 != 0x7f })
        else { return nil }
        version = Version(String(decoding: bytes[index..<end], as: UTF8.self))
        index = end + 1
    }
}
