import KVCore

/// What there is to say of one setting. Everything that names it says this: the parser, `kv config`, the manual pages,
/// `kv serve --help` and docs/configuration.md.
package struct Setting: Hashable, Sendable {
    /// When a new value counts.
    package enum Change: String, CaseIterable, Hashable, Sendable {
        /// The cluster keeps what it was created with.
        case creation
        /// The node's data directory keeps what it was made with.
        case directory
        /// At the node's next start.
        case start
        /// At the node's next start, or when the running node is told to reload (SIGHUP).
        case reload
    }

    /// `storage.sync`, or `nodes[].zone` for what each node of the file has. Nil where the file cannot say it.
    package var path: String?
    /// Which values there are: `1MiB to 1GiB`.
    package var values: String
    /// As it is written; nil where it has to be given.
    package var standard: String?
    /// `--data-dir`
    package var flag: String?
    /// `KV_DATA_DIR`; empty is unset.
    package var variable: String?
    package var change: Change
    /// Never repeated in messages, logs and reports.
    package var isSecret = false
    /// A sentence or two, in plain text.
    package var summary: String
    /// A value other than the default, for examples.
    package var example: String?

    /// The last part of the path: `sync`.
    package var name: String { path.map { String($0.split(separator: ".").last ?? "") } ?? "" }

    /// The mapping that it belongs to: `storage`, `nodes`; empty at the top level.
    package var section: String {
        guard let path, let dot = path.lastIndex(of: ".") else { return "" }
        let section = path[..<dot]
        return section.hasSuffix("[]") ? String(section.dropLast(2)) : String(section)
    }
}

/// A setting, and where its value is kept in `Root`.
struct SettingField<Root>: Sendable {
    let setting: Setting
    /// To follow "must be", where something else than a scalar stands.
    let wanted: String
    let isPlain: Bool
    /// What the command line says of it.
    let given: @Sendable (Configuration.Flags) -> String?
    let assign: @Sendable (inout Root, String) throws(ValueProblem) -> Void
    /// From the first to the second.
    let copy: @Sendable (Root, inout Root) -> Void
    /// As `assign` reads it.
    let notation: @Sendable (Root) -> String

    /// - Parameters:
    ///   - root: has the default.
    ///   - isRequired: the default is not to be relied on.
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
