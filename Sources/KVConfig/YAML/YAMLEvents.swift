import CYAML

/// Parses YAML with libyaml, one event after the other. All calls of the C library are in this file.
final class YAMLEvents {
    enum Event {
        case documentStart
        case documentEnd
        case scalar(String, isPlain: Bool)
        case sequenceStart
        case sequenceEnd
        case mappingStart
        case mappingEnd
        case streamEnd
    }

    /// libyaml keeps pointers into it, so it lives as long as the parser.
    private let input: UnsafeMutableBufferPointer<UInt8>
    private let parser: UnsafeMutablePointer<yaml_parser_t>

    /// - Parameter bytes: UTF-8, without a byte order mark.
    init(_ bytes: ArraySlice<UInt8>) {
        input = .allocate(capacity: bytes.count)
        _ = input.initialize(fromContentsOf: bytes)
        parser = .allocate(capacity: 1)
        // It fails only when memory is exhausted, and then everything else would fail as well.
        precondition(yaml_parser_initialize(parser) == 1, "out of memory")
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, input.baseAddress, input.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    /// The next event and its position. Anchors, aliases, tags and directives are refused.
    func next() throws(YAMLError) -> (Event, YAMLMark) {
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(parser, &event) == 1 else { throw failure() }
            defer { yaml_event_delete(&event) }
            let mark = YAMLMark(event.start_mark)
            if let event = try translate(event, at: mark) { return (event, mark) }
        }
    }

    private func translate(_ event: yaml_event_t, at mark: YAMLMark) throws(YAMLError) -> Event? {
        switch event.type {
        case YAML_DOCUMENT_START_EVENT:
            let tags = event.data.document_start.tag_directives
            try refuse(tags.start != tags.end, "a %TAG directive", at: mark)
            return .documentStart
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_ALIAS_EVENT:
            try refuse(true, "an alias (*name)", at: mark)
            return nil
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try refuse(scalar.anchor != nil, "an anchor (&name)", at: mark)
            try refuse(scalar.tag != nil, "a tag (!name)", at: mark)
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            return .scalar(String(decoding: bytes, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
        case YAML_SEQUENCE_START_EVENT:
            try refuse(event.data.sequence_start.anchor != nil, "an anchor (&name)", at: mark)
            try refuse(event.data.sequence_start.tag != nil, "a tag (!name)", at: mark)
            return .sequenceStart
        case YAML_MAPPING_START_EVENT:
            try refuse(event.data.mapping_start.anchor != nil, "an anchor (&name)", at: mark)
            try refuse(event.data.mapping_start.tag != nil, "a tag (!name)", at: mark)
            return .mappingStart
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        case YAML_STREAM_END_EVENT, YAML_NO_EVENT: return .streamEnd
        default: return nil
        }
    }

    private func refuse(_ present: Bool, _ what: String, at mark: YAMLMark) throws(YAMLError) {
        if present {
            throw YAMLError(mark: mark, message: "\(what) is not supported here: write the value out in full")
        }
    }

    private func failure() -> YAMLError {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? "cannot be read"
        if parser.pointee.error == YAML_READER_ERROR {
            // The reader has no marks, only the number of bytes that it has read.
            let mark = YAMLMark(after: input.prefix(parser.pointee.problem_offset))
            return YAMLError(mark: mark, message: "not valid YAML: \(problem)")
        }
        let mark = YAMLMark(parser.pointee.problem_mark)
        if hasTab(inIndentOf: mark.line) {
            return YAMLError(mark: mark, message: "not valid YAML: a tab cannot indent; use spaces")
        }
        guard let context = parser.pointee.context else {
            return YAMLError(mark: mark, message: "not valid YAML: \(problem)")
        }
        let start = parser.pointee.context_mark.line + 1
        return YAMLError(
            mark: mark, message: "not valid YAML: \(problem) \(String(cString: context)) that begins on line \(start)")
    }

    private func hasTab(inIndentOf line: Int) -> Bool {
        let lines = input.split(separator: UInt8(ascii: "\n"), maxSplits: line + 1, omittingEmptySubsequences: false)
        guard line < lines.count else { return false }
        let indent = lines[line].prefix { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        return indent.contains(UInt8(ascii: "\t"))
    }
}

extension YAMLMark {
    fileprivate init(_ mark: yaml_mark_t) {
        self.init(line: Int(clamping: mark.line), column: Int(clamping: mark.column))
    }

    /// The position after `bytes` of UTF-8.
    init(after bytes: some Collection<UInt8>) {
        self = .start
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 0
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
    }
}
