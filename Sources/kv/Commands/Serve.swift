import ArgumentParser
import KVConfig
import KVNode

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run a node.",
        discussion: """
            Without a configuration it is a cluster of one, with clients on 127.0.0.1:7400 and data in ./kv-data.

            A node that the file does not list, or that is given seeds, waits to be admitted to the cluster that it \
            finds by them: with 'kv join ID' at any member, or of its own accord with --join. --client to --weight \
            describe such a node, or a cluster of one. Once it is a member, its data directory says so, and the seeds \
            and --join are of no importance any more.

            SIGTERM hands its leaderships over, writes everything down and ends with 0. SIGHUP reads the configuration \
            again and applies what can change at once.
            """)

    @OptionGroup var options: ServeOptions

    func run() async throws {
        do {
            try await NodeMain.run(try options.explained()) { [options] () throws(ConfigurationError) in
                try options.explained()
            }
        } catch let error as NodeError {
            throw Failure(error.kind == .badData ? .data : .unavailable, error.description)
        }
    }
}

/// The options of `kv serve`, from which a node's configuration comes.
struct ServeOptions: ParsableArguments {
    @Option(help: Self.help(Settings.config, "file"), completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @Option(help: Self.help(Settings.node, "id"))
    var node: String?

    @Option(help: Self.help("data_dir", "directory"), completion: .directory)
    var dataDir: String?

    @Option(help: Self.help("log.level", "level"), completion: .list(ClusterFile.Log.Level.allCases.map(\.rawValue)))
    var logLevel: String?

    @Option(help: Self.help("log.format", "format"), completion: .list(ClusterFile.Log.Format.allCases.map(\.rawValue)))
    var logFormat: String?

    @Flag(help: Self.help(Settings.join, nil))
    var join = false

    @Option(parsing: .singleValue, help: Self.help("seeds", "host:port"))
    var seed: [String] = []

    @Option(help: Self.help("nodes[].client", "host:port"))
    var client: String?

    @Option(help: Self.help("nodes[].peer", "host:port"))
    var peer: String?

    @Option(help: Self.help("nodes[].advertise_client", "host:port"))
    var advertiseClient: String?

    @Option(help: Self.help("nodes[].advertise_peer", "host:port"))
    var advertisePeer: String?

    @Option(help: Self.help("nodes[].zone", nil))
    var zone: String?

    @Option(help: Self.help("nodes[].weight", nil))
    var weight: String?

    /// Returns the configuration that the flags, the environment and the file make together, with the source of each
    /// value.
    func explained() throws(ConfigurationError) -> ExplainedConfiguration {
        var variables: [String: String] = [:]
        for name in Configuration.variables { variables[name] = environment(name) }
        return try Configuration.explain(
            flags: Configuration.Flags(
                config: config, node: node, dataDirectory: dataDir, logLevel: logLevel, logFormat: logFormat,
                seeds: seed, join: join, client: client, peer: peer, advertiseClient: advertiseClient,
                advertisePeer: advertisePeer, zone: zone, weight: weight),
            environment: variables)
    }

    private static func help(_ path: String, _ valueName: String?) -> ArgumentHelp {
        guard let setting = Settings.setting(path) else { preconditionFailure("there is no setting \(path)") }
        return help(setting, valueName)
    }

    /// The help for a setting, from the table of settings: its purpose, the values it takes, and the variable.
    private static func help(_ setting: Setting, _ valueName: String?) -> ArgumentHelp {
        let values = setting.values == "true or false" ? nil : setting.values
        let facts = [values, setting.variable].compactMap { $0 }.joined(separator: "; ")
        return ArgumentHelp("\(setting.summary) (\(facts))", valueName: valueName)
    }
}
