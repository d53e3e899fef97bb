import ArgumentParser
import KVConfig
import KVCore
import KVNode

struct Recover: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Go on with what is left of a cluster that has lost majorities for good.",
        discussion: """
            The last resort, for when so many disks are lost at once that partitions, or the metadata quorum, which \
            keeps the topology, have no majority left: nothing can be agreed any more, no change of membership either. \
            Not for machines that may come back with their disks: start those.

            Works on the data directory of a member that is left, while every member that is left is stopped. Shows \
            what would be done and what is lost; --yes does it. Run it on every member that is left, with the same \
            options, and start them again: what is left of each partition is served, and copied until it has its \
            replicas again. The members that are lost are removed; their data is never let in again.

            Acknowledged writes may be lost: those of which only lost replicas had heard. Machines that are lost must \
            not run again while they cannot reach those that are left: among themselves they would still be a majority \
            and serve what they have.
            """)

    @Option(help: ArgumentHelp("Members whose data is lost for good, with commas between.", valueName: "ids"))
    var lost: [String] = []

    @Option(
        help: ArgumentHelp(
            "The data directory of a member that is left; else the configuration names it.",
            valueName: "directory"),
        completion: .directory)
    var dataDir: String?

    @Option(
        help: ArgumentHelp(
            "The configuration that names the data directory (KV_CONFIG).",
            valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @Option(help: ArgumentHelp("The member whose data it is (KV_NODE).", valueName: "id"))
    var node: String?

    @Flag(help: "Go on where no replica of a partition is left: its keys are gone.")
    var acceptLoss = false

    @Flag(name: [.short, .long], help: "Do it; without, it is only shown.")
    var yes = false

    func validate() throws {
        if ids.isEmpty { throw ValidationError("name the members that are lost for good: --lost n2,n3") }
    }

    var ids: [String] { lost.flatMap { $0.split(separator: ",").map(String.init) } }

    func run() throws {
        do {
            let place = try place()
            let recovery = try ClusterRecovery(
                directory: place.directory, node: place.node, lost: ids, acceptsLoss: acceptLoss)
            try Output.write(RecoveryText.lines(recovery).map { $0 + "\n" }.joined())
            guard yes else {
                return try Output.write(RecoveryText.before(recovery).map { $0 + "\n" }.joined())
            }
            try recovery.write()
            try Output.write(RecoveryText.after(recovery).map { $0 + "\n" }.joined())
        } catch let error as NodeError {
            throw Failure(error.kind == .badData ? .data : .unavailable, error.description)
        }
    }

    /// The data directory and the node. A directory that is given is used without a configuration, as the file may be
    /// lost too.
    private func place() throws -> (directory: String, node: String?) {
        if let dataDir, config == nil { return (dataDir, node) }
        var variables: [String: String] = [:]
        for name in Configuration.variables { variables[name] = environment(name) }
        let configuration = try Configuration.load(
            flags: Configuration.Flags(config: config, node: node, dataDirectory: dataDir), environment: variables)
        return (configuration.dataDirectory, configuration.node.id)
    }
}
