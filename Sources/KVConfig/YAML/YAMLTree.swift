/// Builds the tree of a file's only document.
struct YAMLTree {
    static let maximumBytes = 1 << 20
    /// The deepest known key is at depth 4.
    static let maximumDepth = 16

    private let events: YAMLEvents
    private var event: YAMLEvents.Event
    private var mark: YAMLMark

    /// Parses the document in `bytes`; nil when there is none (a file of comments, for example).
    static func parse(_ bytes: [UInt8]) throws(YAMLError) -> YAMLNode? {
        guard bytes.count <= maximumBytes else {
            throw YAMLError(mark: .start, message: "the file is \(bytes.count) bytes; at most 1 MiB is read")
        }
        let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let text = bytes.starts(with: byteOrderMark) ? bytes[3...] : bytes[...]
        if let valid = lengthOfValidPrefix(text) {
            throw YAMLError(mark: YAMLMark(after: text.prefix(valid)), message: "not UTF-8; save the file as UTF-8")
        }
        var tree = try YAMLTree(YAMLEvents(text))
        return try tree.onlyDocument()
    }

    private init(_ events: YAMLEvents) throws(YAMLError) {
        self.events = events
        (event, mark) = try events.next()
    }

    private mutating func advance() throws(YAMLError) { (event, mark) = try events.next() }

    private mutating func onlyDocument() throws(YAMLError) -> YAMLNode? {
        guard case .documentStart = event else { return nil }
        try advance()
        let root = try node(depth: 1)
        // The end of the document, then the end of the stream.
        try advance()
        guard case .streamEnd = event else {
            throw YAMLError(mark: mark, message: "a second document; a file holds one")
        }
        return root
    }

    /// Reads the node that begins with the present event, and moves past it.
    private mutating func node(depth: Int) throws(YAMLError) -> YAMLNode {
        guard depth <= Self.maximumDepth else {
            throw YAMLError(mark: mark, message: "nested more than \(Self.maximumDepth) deep")
        }
        let start = mark
        switch event {
        case .scalar(let text, let isPlain):
            try advance()
            return YAMLNode(mark: start, content: .scalar(text, isPlain: isPlain))
        case .sequenceStart:
            try advance()
            var items: [YAMLNode] = []
            while true {
                if case .sequenceEnd = event { break }
                items.append(try node(depth: depth + 1))
            }
            try advance()
            return YAMLNode(mark: start, content: .sequence(items))
        case .mappingStart:
            try advance()
            var pairs: [YAMLNode.Pair] = []
            while true {
                if case .mappingEnd = event { break }
                let key = try node(depth: depth + 1)
                pairs.append(YAMLNode.Pair(key: key, value: try node(depth: depth + 1)))
            }
            try advance()
            return YAMLNode(mark: start, content: .mapping(pairs))
        case .documentStart, .documentEnd, .sequenceEnd, .mappingEnd, .streamEnd:
            // libyaml's grammar requires a node here.
            throw YAMLError(mark: mark, message: "not valid YAML: a value is missing")
        }
    }
}

/// The number of bytes before the first that is not UTF-8; nil when all are.
private func lengthOfValidPrefix(_ bytes: ArraySlice<UInt8>) -> Int? {
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var length = 0
    while true {
        switch decoder.decode(&iterator) {
        case .scalarValue(let scalar): length += UTF8.width(scalar)
        case .emptyInput: return nil
        case .error: return length
        }
    }
}
