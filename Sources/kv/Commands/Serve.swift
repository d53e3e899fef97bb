import ArgumentParser
import KVConfig
import KVNode

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run a node.",
        discussion: """
            Without a configuration it is a cluster of one, with clients on 127.0.0.1:7400 and data in ./kv-data.
            """)

    @Option(help: ArgumentHelp("The cluster's cluster.yaml (KV_CONFIG).", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("Which of the file's nodes this process is (KV_NODE).", valueName: "id"))
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
        let names = ["KV_CONFIG", "KV_NODE", "KV_DATA_DIR", "KV_LOG_LEVEL", "KV_LOG_FORMAT"]
        var variables: [String: String] = [:]
        for name in names { variables[name] = environment(name) }
        return try Configuration.load(
            flags: Configuration.Flags(
                config: config, node: node, dataDirectory: dataDir, logLevel: logLevel, logFormat: logFormat),
            environment: variables)
    }
}
