/// A position in a file. Both numbers count from 0; a column is a character.
struct YAMLMark: Hashable, Sendable {
    var line: Int
    var column: Int

    static let start = YAMLMark(line: 0, column: 0)
}

/// A value of a YAML document without a type: the field that it fills decides what a scalar means.
struct YAMLNode: Sendable {
    enum Content: Sendable {
        /// `isPlain`: written without quotes, so that it may be a number or null.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// The pairs in the order of the file, including duplicates.
        case mapping([Pair])
    }

    struct Pair: Sendable {
        var key: YAMLNode
        var value: YAMLNode
    }

    var mark: YAMLMark
    var content: Content

    /// True for null by YAML 1.2's core schema.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// The name of the value in messages.
    var shown: String {
        switch content {
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .scalar(let text, _): isNull ? "null" : quoted(text)
        }
    }
}

/// The file is not YAML, or uses parts of YAML that are not supported.
struct YAMLError: Error, Hashable {
    var mark: YAMLMark
    var message: String
}
