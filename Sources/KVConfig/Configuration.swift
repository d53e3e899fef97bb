import KVCore

/// What one node runs with: the cluster's file, which of its nodes this process is, and what flags and environment
/// variables change.
public struct Configuration: Hashable, Sendable {
    public var settings: ClusterSettings
    /// The first members, ascending by id; at least one.
    public var nodes: [ClusterFile.Node]
    /// This process: one of `nodes`.
    public var node: ClusterFile.Node
    /// This node's own directory.
    public var dataDirectory: String
    public var storage: ClusterFile.Storage
    public var failure: ClusterFile.Failure
    public var limits: ClusterFile.Limits
    public var log: ClusterFile.Log
}

extension Configuration {
    /// What the command line says; nil where it says nothing.
    public struct Flags: Hashable, Sendable {
        public var config: String?
        public var node: String?
        public var dataDirectory: String?
        public var logLevel: String?
        public var logFormat: String?

        public init(
            config: String? = nil, node: String? = nil, dataDirectory: String? = nil, logLevel: String? = nil,
            logFormat: String? = nil
        ) {
            self.config = config
            self.node = node
            self.dataDirectory = dataDirectory
            self.logLevel = logLevel
            self.logFormat = logFormat
        }
    }

    /// A node's configuration: each value from its flag, else its environment variable (`KV_CONFIG`, `KV_NODE`,
    /// `KV_DATA_DIR`, `KV_LOG_LEVEL`, `KV_LOG_FORMAT`; empty is unset), else the file, else its default. Without a file,
    /// a cluster of one.
    public static func load(flags: Flags, environment: [String: String]) throws(ConfigurationError) -> Configuration {
        let overrides = Overrides(environment: environment)
        let path = overrides.value(flags.config, "--config", "KV_CONFIG")
        let file = try path.map { (path) throws(ConfigurationError) in try ClusterFile.read(path: path.text) }
        return try resolve(file ?? .standard, named: path?.text, flags: flags, overrides)
    }

    /// As `load` once the file is read.
    static func resolve(
        _ file: ClusterFile, named path: String?, flags: Flags, _ overrides: Overrides
    ) throws(ConfigurationError) -> Configuration {
        var file = file
        let requested = overrides.value(flags.node, "--node", "KV_NODE")
        let node = try chooseNode(requested, &file, named: path)
        if let directory = overrides.value(flags.dataDirectory, "--data-dir", "KV_DATA_DIR") {
            if let problem = ClusterFile.problem(withDataDirectory: directory.text) {
                throw ConfigurationError(directory.place, problem)
            }
            file.dataDirectory = directory.text
        }
        if let level = overrides.value(flags.logLevel, "--log-level", "KV_LOG_LEVEL") {
            file.log.level = try level.choice()
        }
        if let format = overrides.value(flags.logFormat, "--log-format", "KV_LOG_FORMAT") {
            file.log.format = try format.choice()
        }
        let slash = file.dataDirectory.hasSuffix("/") ? "" : "/"
        return Configuration(
            settings: file.settings, nodes: file.nodes, node: node, dataDirectory: file.dataDirectory + slash + node.id,
            storage: file.storage, failure: file.failure, limits: file.limits, log: file.log)
    }

    private static func chooseNode(
        _ requested: Overrides.Value?, _ file: inout ClusterFile, named path: String?
    ) throws(ConfigurationError) -> ClusterFile.Node {
        let ids = file.nodes.map(\.id).list
        guard let requested else {
            if file.nodes.count == 1 { return file.nodes[0] }
            throw ConfigurationError(
                .flag("--node"), "is missing: \(path ?? "the file") lists \(ids); say which of them this process is")
        }
        if let node = file.nodes.first(where: { $0.id == requested.text }) { return node }
        guard file.nodesAreDefault else {
            throw ConfigurationError(
                requested.place, "\(path ?? "the file") lists no node \(quoted(requested.text)), only \(ids)")
        }
        guard Name.isID(requested.text) else {
            throw ConfigurationError(requested.place, "\(quoted(requested.text)) is not \(Name.wantedID)")
        }
        file.nodes[0].id = requested.text
        return file.nodes[0]
    }
}

/// Values from the command line and the environment, with where they came from.
struct Overrides {
    struct Value {
        var text: String
        var place: ConfigurationProblem.Place

        func choice<Choice: RawRepresentable<String> & CaseIterable>() throws(ConfigurationError) -> Choice {
            if let choice = Choice(rawValue: text) { return choice }
            throw ConfigurationError(place, "must be one of \(Choice.names), not \(quoted(text))")
        }
    }

    var environment: [String: String]

    func value(_ given: String?, _ flag: String, _ variable: String) -> Value? {
        if let given { return Value(text: given, place: .flag(flag)) }
        guard let text = environment[variable], !text.isEmpty else { return nil }
        return Value(text: text, place: .environment(variable))
    }
}
