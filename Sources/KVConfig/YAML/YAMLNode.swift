/// A place in a file; both count from 0, in characters.
struct YAMLMark: Hashable, Sendable {
    var line: Int
    var column: Int

    static let start = YAMLMark(line: 0, column: 0)
}

/// A value of a YAML document, not yet typed: what a scalar means is for the field that it fills to say.
struct YAMLNode: Sendable {
    enum Content: Sendable {
        /// `isPlain`: written without quotes, so that it may be a number or null.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// In the order of the file, duplicates and all.
        case mapping([Pair])
    }

    struct Pair: Sendable {
        var key: YAMLNode
        var value: YAMLNode
    }

    var mark: YAMLMark
    var content: Content

    /// Null as YAML 1.2's core schema has it.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// How a message names what stands here.
    var shown: String {
        switch content {
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .scalar(let text, _): isNull ? "null" : quoted(text)
        }
    }
}

/// The file is not the YAML that is understood here.
struct YAMLError: Error, Hashable {
    var mark: YAMLMark
    var message: String
}
