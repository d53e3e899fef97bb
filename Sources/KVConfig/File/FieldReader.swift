import KVCore

/// Reads typed values from a YAML tree, and collects all mistakes in them.
///
/// A value that is absent, null or wrong reads as nil, so that the caller keeps its default. A wrong one is reported.
struct FieldReader {
    /// A mapping whose keys have been checked.
    struct Section {
        var path: String
        var mark: YAMLMark
        /// The values that are not null.
        var values: [String: YAMLNode] = [:]
        /// False when it is not a mapping, which has been reported.
        var isMapping = true

        func name(of field: String) -> String { path.isEmpty ? field : "\(path).\(field)" }

        func mark(of field: String) -> YAMLMark { values[field]?.mark ?? mark }
    }

    let file: String
    /// All keys that exist, by the path of their mapping.
    private let vocabulary = Settings.vocabulary
    private(set) var problems: [ConfigurationProblem] = []

    init(file: String) { self.file = file }

    mutating func report(_ mark: YAMLMark, _ message: String) {
        report(ConfigurationProblem(place: place(of: mark), message: message))
    }

    mutating func report(_ problem: ConfigurationProblem) {
        guard problems.count < ConfigurationError.maximumProblems else { return }
        problems.append(problem)
    }

    func place(of mark: YAMLMark) -> ConfigurationProblem.Place {
        .position(file: file, line: mark.line + 1, column: mark.column + 1)
    }

    /// Everything that was reported, in the order of the file.
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

    /// Reads the mapping `node`, which messages call `path`.
    /// - Parameter kind: the entry of `vocabulary` with its keys.
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

    func keys(of kind: String) -> [String] { vocabulary[kind] ?? [] }

    private func unknown(_ key: String, in path: String, known: [String]) -> String {
        let place = path.isEmpty ? "" : " in \(path)"
        if let name = nearest(to: key, in: known) {
            return "unknown key \(quoted(key))\(place): did you mean \(quoted(name))?"
        }
        if let home = ([""] + keys(of: "")).first(where: { keys(of: $0).contains(key) }) {
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

    /// Reads any scalar, as it is written.
    mutating func text(_ section: Section, _ field: String, wanted: String) -> String? {
        guard let node = section.values[field] else { return nil }
        guard case .scalar(let text, _) = node.content else {
            report(node.mark, "\(section.name(of: field)) must be \(wanted), not \(node.shown)")
            return nil
        }
        return text
    }

    /// Reads the values of `fields` in a section into `root`, and returns their places.
    mutating func read<Root>(
        _ fields: [SettingField<Root>], _ section: Section, into root: inout Root
    ) -> [String: ConfigurationProblem.Place] {
        var origins: [String: ConfigurationProblem.Place] = [:]
        for field in fields {
            let name = field.setting.name
            guard let text = text(section, name, wanted: field.wanted), let node = section.values[name] else {
                continue
            }
            do throws(ValueProblem) {
                var changed = root
                try field.assign(&changed, text)
                if field.isPlain, case .scalar(_, isPlain: false) = node.content {
                    throw ValueProblem("must be \(field.wanted), not text: remove the quotes")
                }
                root = changed
                origins[section.name(of: name)] = place(of: node.mark)
            } catch {
                report(node.mark, "\(section.name(of: name)) \(error.text)")
            }
        }
        return origins
    }

    /// Reads an address that is an item of a list.
    mutating func address(_ node: YAMLNode, named name: String) -> Address? {
        guard !node.isNull, case .scalar(let text, _) = node.content else {
            report(node.mark, "\(name) must be HOST:PORT, not \(node.shown)")
            return nil
        }
        do throws(ValueProblem) {
            return try ValueFormat.address.parse(text)
        } catch {
            report(node.mark, "\(name) \(error.text)")
            return nil
        }
    }
}

extension [String] {
    /// `a, b, c`
    var list: String { joined(separator: ", ") }
}

extension CaseIterable where Self: RawRepresentable<String> {
    /// The names of all values, for messages.
    static var names: String { allCases.map(\.rawValue).list }
}
