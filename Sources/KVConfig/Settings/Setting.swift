import KVCore

/// The description of one setting. The parser, `kv config`, the manual pages, `kv serve --help` and
/// docs/configuration.md all use it.
package struct Setting: Hashable, Sendable {
    /// The time from which a new value counts.
    package enum Change: String, CaseIterable, Hashable, Sendable {
        /// Never: the cluster keeps the value that it was created with.
        case creation
        /// Never: the node's data directory keeps the value that it was made with.
        case directory
        /// At the node's next start.
        case start
        /// At the node's next start, or when the running node is told to reload (SIGHUP).
        case reload
    }

    /// `storage.sync`, or `nodes[].zone` for a setting of each node of the file. Nil if it cannot be set in the file.
    package var path: String?
    /// The valid values: `1MiB to 1GiB`.
    package var values: String
    /// The default as it is written; nil for a setting without one.
    package var standard: String?
    /// `--data-dir`
    package var flag: String?
    /// `KV_DATA_DIR`; empty is unset.
    package var variable: String?
    package var change: Change
    /// True for a value that messages, logs and reports never repeat.
    package var isSecret = false
    /// A sentence or two, in plain text.
    package var summary: String
    /// A value other than the default, for examples.
    package var example: String?

    /// The last part of the path: `sync`.
    package var name: String { path.map { String($0.split(separator: ".").last ?? "") } ?? "" }

    /// The mapping that the setting belongs to: `storage`, `nodes`; empty at the top level.
    package var section: String {
        guard let path, let dot = path.lastIndex(of: ".") else { return "" }
        let section = path[..<dot]
        return section.hasSuffix("[]") ? String(section.dropLast(2)) : String(section)
    }
}

/// A setting, and the place of its value in `Root`.
struct SettingField<Root>: Sendable {
    let setting: Setting
    /// A description of valid values, which follows "must be" when the value is not a scalar.
    let wanted: String
    let isPlain: Bool
    /// The value on the command line.
    let given: @Sendable (Configuration.Flags) -> String?
    let assign: @Sendable (inout Root, String) throws(ValueProblem) -> Void
    /// Copies the value from the first root to the second.
    let copy: @Sendable (Root, inout Root) -> Void
    /// The value as text that `assign` reads.
    let notation: @Sendable (Root) -> String

    /// - Parameters:
    ///   - root: has the default.
    ///   - isRequired: whether the setting must be given.
    init<Value: Sendable>(
        _ path: String, _ format: ValueFormat<Value>, _ keyPath: WritableKeyPath<Root, Value> & Sendable,
        of root: Root, isRequired: Bool = false, flag: String? = nil,
        given: @escaping @Sendable (Configuration.Flags) -> String? = { _ in nil }, variable: String? = nil,
        change: Setting.Change = .start, example: String? = nil, _ summary: String
    ) {
        setting = Setting(
            path: path, values: format.values,
            standard: isRequired ? nil : format.notation(root[keyPath: keyPath]), flag: flag, variable: variable,
            change: change, isSecret: format.isSecret, summary: summary, example: example)
        wanted = format.wanted
        isPlain = format.isPlain
        self.given = given
        assign = { (root, text) throws(ValueProblem) in root[keyPath: keyPath] = try format.parse(text) }
        copy = { $1[keyPath: keyPath] = $0[keyPath: keyPath] }
        notation = { format.notation($0[keyPath: keyPath]) }
    }
}
