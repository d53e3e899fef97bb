import ArgumentParser
import KVConfig
import KVNode

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run a node.",
        discussion: """
            Without a configuration it is a cluster of one, with clients on 127.0.0.1:7400 and data in ./kv-data.

            A node that the file does not list, or that is given seeds, waits to be admitted to the cluster that it finds \
            by them: with 'kv join ID' at any member, or of its own accord with --join. --client to --weight describe \
            such a node, or a cluster of one. Once it is a member, its data directory says so, and the seeds and --join \
            are of no importance any more.
            """)

    @Option(help: ArgumentHelp("The cluster's cluster.yaml (KV_CONFIG).", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("This node's id: one of the file's, or a new one's (KV_NODE).", valueName: "id"))
    var node: String?

    @Option(
        help: ArgumentHelp(
            "Where data goes, in a directory named after the node (KV_DATA_DIR).", valueName: "directory"))
    var dataDir: String?

    @Option(
        help: ArgumentHelp("trace, debug, info, notice, warning, error or critical (KV_LOG_LEVEL).", valueName: "level")
    )
    var logLevel: String?

    @Option(help: ArgumentHelp("text or json (KV_LOG_FORMAT).", valueName: "format"))
    var logFormat: String?

    @Flag(help: "Join the cluster without waiting to be admitted by an operator (KV_JOIN=true).")
    var join = false

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Peer address of a member to find the cluster by; may be repeated (KV_SEEDS, with commas).",
            valueName: "host:port"))
    var seed: [String] = []

    @Option(help: ArgumentHelp("Where to listen for clients (KV_CLIENT).", valueName: "host:port"))
    var client: String?

    @Option(help: ArgumentHelp("Where to listen for other nodes (KV_PEER).", valueName: "host:port"))
    var peer: String?

    @Option(
        help: ArgumentHelp(
            "Where clients reach it, if that differs (KV_ADVERTISE_CLIENT).", valueName: "host:port"))
    var advertiseClient: String?

    @Option(
        help: ArgumentHelp(
            "Where other nodes reach it, if that differs (KV_ADVERTISE_PEER).", valueName: "host:port"))
    var advertisePeer: String?

    @Option(help: "What fails together with it, such as a rack (KV_ZONE).")
    var zone: String?

    @Option(help: "Its share of the data relative to other nodes, 1-1000 (KV_WEIGHT).")
    var weight: String?

    func run() async throws {
        let configuration = try load()
        do {
            try await NodeMain.run(configuration)
        } catch let error as NodeError {
            throw Failure(error.kind == .badData ? .data : .unavailable, error.description)
        }
    }

    /// What the flags, the environment and the file say together.
    private func load() throws(ConfigurationError) -> Configuration {
        var variables: [String: String] = [:]
        for name in Configuration.variables { variables[name] = environment(name) }
        return try Configuration.load(
            flags: Configuration.Flags(
                config: config, node: node, dataDirectory: dataDir, logLevel: logLevel, logFormat: logFormat,
                seeds: seed, join: join, client: client, peer: peer, advertiseClient: advertiseClient,
                advertisePeer: advertisePeer, zone: zone, weight: weight),
            environment: variables)
    }
}
