import KVCore

/// The configuration of one node: the cluster's file, this process's node, and the values of flags and environment
/// variables.
package struct Configuration: Hashable, Sendable {
    package var settings: ClusterSettings
    /// How leaders answer linearizable reads.
    package var reads: ReadMode
    /// The first members, ascending by id. Empty for a pending node whose file lists none.
    package var nodes: [ClusterFile.Node]
    /// The node of this process: one of `nodes`, or a pending node.
    package var node: ClusterFile.Node
    package var role: Role
    /// Peer addresses of members by which a pending node finds its cluster: at least one, and never its own. Empty for
    /// an initial member.
    package var seeds: [Address]
    /// This node's own directory.
    package var dataDirectory: String
    package var storage: ClusterFile.Storage
    package var failure: ClusterFile.Failure
    package var limits: ClusterFile.Limits
    package var redis: ClusterFile.Redis
    package var log: ClusterFile.Log
    /// The secret that authenticates the failure detector's packets, 16-1024 bytes; nil: they are not authenticated.
    package var secret: String?
    /// The places of values that are not defaults, by path: `storage.sync`, `nodes[n1].zone`.
    var origins: [String: ConfigurationProblem.Place]

    /// The role of a node whose data directory is empty. Otherwise the stored topology decides.
    package enum Role: Hashable, Sendable {
        /// One of the first members: it knows the topology that the cluster begins with.
        case initial
        /// A node that waits to be admitted to the cluster that the seeds belong to.
        /// - Parameter admitsItself: whether no operator is needed.
        case pendingNode(admitsItself: Bool)
    }
}

extension Configuration {
    /// The command line's values; nil or empty when not given.
    package struct Flags: Hashable, Sendable {
        package var config: String?
        package var node: String?
        package var dataDirectory: String?
        package var logLevel: String?
        package var logFormat: String?
        /// `HOST:PORT` each.
        package var seeds: [String]
        /// True when the node admits itself.
        package var join: Bool
        package var client: String?
        package var peer: String?
        package var advertiseClient: String?
        package var advertisePeer: String?
        package var zone: String?
        package var weight: String?

        package init(
            config: String? = nil, node: String? = nil, dataDirectory: String? = nil, logLevel: String? = nil,
            logFormat: String? = nil, seeds: [String] = [], join: Bool = false, client: String? = nil,
            peer: String? = nil, advertiseClient: String? = nil, advertisePeer: String? = nil, zone: String? = nil,
            weight: String? = nil
        ) {
            self.config = config
            self.node = node
            self.dataDirectory = dataDirectory
            self.logLevel = logLevel
            self.logFormat = logFormat
            self.seeds = seeds
            self.join = join
            self.client = client
            self.peer = peer
            self.advertiseClient = advertiseClient
            self.advertisePeer = advertisePeer
            self.zone = zone
            self.weight = weight
        }
    }

    /// The environment variables that `load` reads.
    package static let variables = Settings.variables

    /// Loads a node's configuration: each value is that of its flag, else of its environment variable (empty is unset),
    /// else of the file, else its default. Without a file and without seeds, it is a cluster of one.
    package static func load(flags: Flags, environment: [String: String]) throws(ConfigurationError) -> Configuration {
        try explain(flags: flags, environment: environment).configuration
    }

    /// Like `load`, but returns every value with its origin.
    package static func explain(
        flags: Flags, environment: [String: String]
    ) throws(ConfigurationError) -> ExplainedConfiguration {
        let overrides = Overrides(environment: environment)
        let path = overrides.value(flags.config, Settings.config)
        let file = try path.map { (path) throws(ConfigurationError) in try ClusterFile.read(path: path.text) }
        let (configuration, resolved) = try resolve(file ?? .standard, named: path?.text, flags: flags, overrides)
        var values = resolved.values(
            node: configuration.node, nodes: configuration.nodes, origins: configuration.origins)
        values.insert(SettingValue(path: "config", value: path?.text ?? "null", origin: path?.place), at: 0)
        return ExplainedConfiguration(configuration: configuration, values: values)
    }

    /// Does what `load` does once the file is read. Also returns the file with the values of flags and variables.
    static func resolve(
        _ file: ClusterFile, named path: String?, flags: Flags, _ overrides: Overrides
    ) throws(ConfigurationError) -> (Configuration, ClusterFile) {
        var file = file
        let identity = try NodeChoice(file, named: path, flags, overrides).resolve()
        for field in Settings.fileFields {
            guard let value = overrides.value(field.given(flags), field.setting) else { continue }
            try value.assign(field, &file)
            if let path = field.setting.path { file.origins[path] = value.place }
        }
        if let problem = file.contradictions.first { throw ConfigurationError(problems: [problem]) }
        let slash = file.dataDirectory.hasSuffix("/") ? "" : "/"
        file.seeds = identity.seeds
        let configuration = Configuration(
            settings: file.settings, reads: file.reads, nodes: identity.nodes, node: identity.node, role: identity.role,
            seeds: identity.seeds, dataDirectory: file.dataDirectory + slash + identity.node.id, storage: file.storage,
            failure: file.failure, limits: file.limits, redis: file.redis, log: file.log, secret: file.secret,
            origins: file.origins.merging(identity.origins) { $1 })
        return (configuration, file)
    }
}
