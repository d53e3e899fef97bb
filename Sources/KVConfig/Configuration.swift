import KVCore

/// What one node runs with: the cluster's file, which node this process is, and what flags and environment variables
/// change.
public struct Configuration: Hashable, Sendable {
    public var settings: ClusterSettings
    /// The first members, ascending by id. Empty for an applicant whose file lists none.
    public var nodes: [ClusterFile.Node]
    /// This process: one of `nodes`, or an applicant.
    public var node: ClusterFile.Node
    public var role: Role
    /// Peer addresses of members, for an applicant to find its cluster by: at least one then, and never its own. Empty
    /// for an initial member.
    public var seeds: [Address]
    /// This node's own directory.
    public var dataDirectory: String
    public var storage: ClusterFile.Storage
    public var failure: ClusterFile.Failure
    public var limits: ClusterFile.Limits
    public var redis: ClusterFile.Redis
    public var log: ClusterFile.Log
    /// What the packets of the failure detector are authenticated with; nil: they are not. 16-1024 bytes.
    public var secret: String?
    /// Which of `settings` the file says, as `cluster.name` and so on: an applicant has an opinion of these only.
    var stated: Set<String>

    /// What a node is that finds nothing in its data directory; otherwise the stored topology says what it is.
    public enum Role: Hashable, Sendable {
        /// One of the first members: it knows the topology that the cluster begins with.
        case initial
        /// It waits to be admitted to the cluster that the seeds belong to.
        /// - Parameter admitsItself: without an operator.
        case applicant(admitsItself: Bool)
    }
}

extension Configuration {
    /// What the command line says; nil or empty where it says nothing.
    public struct Flags: Hashable, Sendable {
        public var config: String?
        public var node: String?
        public var dataDirectory: String?
        public var logLevel: String?
        public var logFormat: String?
        /// `HOST:PORT` each.
        public var seeds: [String]
        /// The node is to admit itself.
        public var join: Bool
        public var client: String?
        public var peer: String?
        public var advertiseClient: String?
        public var advertisePeer: String?
        public var zone: String?
        public var weight: String?

        public init(
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

    /// The environment variables that `load` heeds.
    public static let variables = [
        "KV_CONFIG", "KV_NODE", "KV_DATA_DIR", "KV_LOG_LEVEL", "KV_LOG_FORMAT", "KV_SEEDS", "KV_JOIN", "KV_CLIENT",
        "KV_PEER", "KV_ADVERTISE_CLIENT", "KV_ADVERTISE_PEER", "KV_ZONE", "KV_WEIGHT", "KV_SECRET",
    ]

    /// A node's configuration: each value from its flag, else its environment variable (empty is unset), else the file,
    /// else its default. Without a file and without seeds, a cluster of one.
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
        let identity = try NodeChoice(file, named: path, flags, overrides).resolve()
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
        if let secret = overrides.value(nil, "", "KV_SECRET") {
            guard ClusterFile.isSecret(secret.text) else {
                throw ConfigurationError(secret.place, "must be \(ClusterFile.wantedSecret)")
            }
            file.secret = secret.text
        }
        let slash = file.dataDirectory.hasSuffix("/") ? "" : "/"
        return Configuration(
            settings: file.settings, nodes: identity.nodes, node: identity.node, role: identity.role,
            seeds: identity.seeds, dataDirectory: file.dataDirectory + slash + identity.node.id, storage: file.storage,
            failure: file.failure, limits: file.limits, redis: file.redis, log: file.log, secret: file.secret,
            stated: file.stated)
    }
}
