import KVCore

/// Reads typed values out of a YAML tree, and gathers all that is wrong with them.
///
/// A value that is absent, null or wrong reads as nil, so that the caller's default stands; a wrong one is reported.
struct FieldReader {
    /// A mapping whose keys have been checked.
    struct Section {
        var path: String
        var mark: YAMLMark
        /// Those that are not null.
        var values: [String: YAMLNode] = [:]
        /// False where something else than a mapping stands, which has been reported.
        var isMapping = true

        func name(of field: String) -> String { path.isEmpty ? field : "\(path).\(field)" }

        func mark(of field: String) -> YAMLMark { values[field]?.mark ?? mark }
    }

    let file: String
    /// Every key there is, by the path of the mapping that it belongs to.
    let vocabulary: KeyValuePairs<String, [String]>
    private(set) var problems: [ConfigurationProblem] = []

    init(file: String, vocabulary: KeyValuePairs<String, [String]>) {
        self.file = file
        self.vocabulary = vocabulary
    }

    mutating func report(_ mark: YAMLMark, _ message: String) {
        guard problems.count < ConfigurationError.maximumProblems else { return }
        let place = ConfigurationProblem.Place.position(file: file, line: mark.line + 1, column: mark.column + 1)
        problems.append(ConfigurationProblem(place: place, message: message))
    }

    /// Everything reported, in the order of the file.
    var error: ConfigurationError {
        let positions = problems.enumerated().sorted { a, b in
            guard case .position(_, let line, let column) = a.element.place,
                case .position(_, let otherLine, let otherColumn) = b.element.place
            else { return a.offset < b.offset }
            return (line, column, a.offset) < (otherLine, otherColumn, b.offset)
        }
        return ConfigurationError(problems: positions.map(\.element))
    }

    // MARK: Mappings and lists

    /// The mapping `node`, named `path` in messages.
    /// - Parameter kind: where `vocabulary` has its keys.
    mutating func section(_ node: YAMLNode?, path: String, kind: String) -> Section {
        guard let node, !node.isNull else { return Section(path: path, mark: node?.mark ?? .start) }
        var section = Section(path: path, mark: node.mark)
        let known = keys(of: kind)
        guard case .mapping(let pairs) = node.content else {
            let what = path.isEmpty ? "the file" : path
            report(node.mark, "\(what) must be a mapping with the keys \(known.list), not \(node.shown)")
            section.isMapping = false
            return section
        }
        var firstLines: [String: Int] = [:]
        for pair in pairs {
            guard case .scalar(let key, _) = pair.key.content else {
                report(pair.key.mark, "a key must be one of \(known.list), not \(pair.key.shown)")
                continue
            }
            if let first = firstLines[key] {
                report(pair.key.mark, "duplicate key \(quoted(key)): it is already on line \(first + 1); keep one")
                continue
            }
            firstLines[key] = pair.key.mark.line
            if known.contains(key) {
                if !pair.value.isNull { section.values[key] = pair.value }
            } else {
                report(pair.key.mark, unknown(key, in: path, known: known))
            }
        }
        return section
    }

    func keys(of kind: String) -> [String] { vocabulary.first { $0.key == kind }?.value ?? [] }

    private func unknown(_ key: String, in path: String, known: [String]) -> String {
        let place = path.isEmpty ? "" : " in \(path)"
        if let name = nearest(to: key, in: known) {
            return "unknown key \(quoted(key))\(place): did you mean \(quoted(name))?"
        }
        if let home = vocabulary.first(where: { $0.value.contains(key) })?.key {
            let level = home.isEmpty ? "at the top level" : "in \(home)"
            return "unknown key \(quoted(key))\(place): it belongs \(level)"
        }
        return "unknown key \(quoted(key))\(place): known here are \(known.list)"
    }

    mutating func list(_ section: Section, _ field: String) -> [YAMLNode]? {
        guard let node = section.values[field] else { return nil }
        guard case .sequence(let items) = node.content else {
            report(
                node.mark, "\(section.name(of: field)) must be a list (items that begin with \"- \"), not \(node.shown)"
            )
            return nil
        }
        return items
    }

    // MARK: Scalars

    /// Any scalar, as it is written.
    mutating func text(_ section: Section, _ field: String, wanted: String) -> String? {
        guard let node = section.values[field] else { return nil }
        guard case .scalar(let text, _) = node.content else {
            report(node.mark, "\(section.name(of: field)) must be \(wanted), not \(node.shown)")
            return nil
        }
        return text
    }

    mutating func integer(_ section: Section, _ field: String, in range: ClosedRange<Int>) -> Int? {
        let wanted = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        guard let text = text(section, field, wanted: wanted), let node = section.values[field] else { return nil }
        if case .scalar(_, isPlain: false) = node.content, decimal(text) != nil {
            report(node.mark, "\(section.name(of: field)) must be \(wanted), not text: remove the quotes")
            return nil
        }
        guard let number = decimal(text), let value = Int(exactly: number), range.contains(value) else {
            report(node.mark, "\(section.name(of: field)) must be \(wanted), not \(node.shown)")
            return nil
        }
        return value
    }

    /// Bytes.
    mutating func size(_ section: Section, _ field: String, in range: ClosedRange<Int>) -> Int? {
        let bounds = "from \(ByteSize.notation(range.lowerBound)) to \(ByteSize.notation(range.upperBound))"
        return scalar(section, field, in: range, bounds: bounds) { (text) throws(NotationError) in
            try ByteSize.parse(text)
        }
    }

    mutating func span(_ section: Section, _ field: String, in range: ClosedRange<Span>) -> Span? {
        let bounds = "from \(range.lowerBound.notation) to \(range.upperBound.notation)"
        return scalar(section, field, in: range, bounds: bounds) { (text) throws(NotationError) in
            try Span(notation: text)
        }
    }

    /// `true` or `false`, without quotes.
    mutating func boolean(_ section: Section, _ field: String) -> Bool? {
        let wanted = "true or false"
        guard let text = text(section, field, wanted: wanted), let node = section.values[field] else { return nil }
        guard text == "true" || text == "false" else {
            report(node.mark, "\(section.name(of: field)) must be \(wanted), not \(node.shown)")
            return nil
        }
        if case .scalar(_, isPlain: false) = node.content {
            report(node.mark, "\(section.name(of: field)) must be \(wanted), not text: remove the quotes")
            return nil
        }
        return text == "true"
    }

    mutating func address(_ section: Section, _ field: String) -> Address? {
        parsed(section, field, "HOST:PORT") { (text) throws(NotationError) in try Address(notation: text) }
    }

    /// An item of a list.
    mutating func address(_ node: YAMLNode, named name: String) -> Address? {
        guard !node.isNull, case .scalar(let text, _) = node.content else {
            report(node.mark, "\(name) must be HOST:PORT, not \(node.shown)")
            return nil
        }
        do throws(NotationError) {
            return try Address(notation: text)
        } catch {
            report(node.mark, "\(name) must be \(error.wanted), not \(quoted(text))")
            return nil
        }
    }

    mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(_ section: Section, _ field: String)
        -> Choice?
    {
        parsed(section, field, "one of \(Choice.names)") { (text) throws(NotationError) in
            guard let choice = Choice(rawValue: text) else { throw NotationError(wanted: "one of \(Choice.names)") }
            return choice
        }
    }

    private mutating func scalar<Value: Comparable>(
        _ section: Section, _ field: String, in range: ClosedRange<Value>, bounds: String,
        parse: (String) throws(NotationError) -> Value
    ) -> Value? {
        guard let value = parsed(section, field, bounds, parse: parse), let node = section.values[field] else {
            return nil
        }
        guard range.contains(value) else {
            report(node.mark, "\(section.name(of: field)) must be \(bounds), not \(node.shown)")
            return nil
        }
        return value
    }

    private mutating func parsed<Value>(
        _ section: Section, _ field: String, _ wanted: String, parse: (String) throws(NotationError) -> Value
    ) -> Value? {
        guard let text = text(section, field, wanted: wanted) else { return nil }
        do {
            return try parse(text)
        } catch {
            report(section.mark(of: field), "\(section.name(of: field)) must be \(error.wanted), not \(quoted(text))")
            return nil
        }
    }
}

extension [String] {
    /// `a, b, c`
    var list: String { joined(separator: ", ") }
}

extension CaseIterable where Self: RawRepresentable<String> {
    /// Every value, for messages.
    static var names: String { allCases.map(\.rawValue).list }
}
