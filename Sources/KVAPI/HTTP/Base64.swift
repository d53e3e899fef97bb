import FoundationEssentials

/// RFC 4648, by Foundation: the usual alphabet with padding for values, the one for URLs without padding for cursors.
enum Base64 {
    static func encode(_ bytes: [UInt8]) -> [UInt8] { Array(Data(bytes).base64EncodedData()) }

    static func encodeForURL(_ bytes: [UInt8]) -> [UInt8] {
        encode(bytes).compactMap { character in
            switch character {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            case UInt8(ascii: "="): nil
            default: character
            }
        }
    }

    /// Decodes a text that `encodeForURL` has made. Returns nil for any other text.
    static func decodeFromURL(_ text: [UInt8]) -> [UInt8]? {
        var standard = text.map { character in
            switch character {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            default: character
            }
        }
        standard += Array(repeating: UInt8(ascii: "="), count: (4 - text.count % 4) % 4)
        guard let bytes = Data(base64Encoded: Data(standard)).map({ Array($0) }) else { return nil }
        // Foundation takes the other alphabet, and bits that are left over, too: two texts would mean the same bytes.
        return encodeForURL(bytes) == text ? bytes : nil
    }
}
