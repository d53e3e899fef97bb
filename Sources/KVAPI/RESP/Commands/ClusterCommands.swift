import KVCore
import KVWire

/// CLUSTER and its subcommands.
enum ClusterCommands {
    static let all: [RESPCommand] = [
        RESPCommand(
            "cluster", -2, [], .cluster, since: "3.0.0", "Contains commands on the cluster.",
            subcommands: [
                subcommand("keyslot", 3, [.stale], since: "3.0.0", "Gives a key's slot.") {
                    arguments, session throws(RESPFailure) in
                    .answer(.integer(Int64(try session.key(arguments, 2).slot.raw)))
                },
                question(.slots, "slots", since: "3.0.0", "Tells which nodes hold which slots."),
                question(.shards, "shards", since: "7.0.0", "Tells which nodes hold which slots."),
                question(.nodes, "nodes", since: "3.0.0", "Tells of the nodes."),
                question(.info, "info", since: "3.0.0", "Tells of the cluster's state."),
                question(.myID, "myid", since: "3.0.0", "Gives the node's id."),
            ])
    ]

    private static func subcommand(
        _ name: String, _ arity: Int, _ flags: RESPCommand.Flags, since: String, _ summary: String,
        _ run: @escaping RESPCommand.Run
    ) -> RESPCommand {
        RESPCommand(name, arity, flags, .none, .cluster, since: since, summary, of: "cluster", run)
    }

    private static func question(
        _ question: ClusterQuestion, _ name: String, since: String, _ summary: String
    ) -> RESPCommand {
        subcommand(name, 2, [.stale, .alone], since: since, summary) { _, session throws(RESPFailure) in
            if question.isMap { session.toldMap() }
            return .task(.cluster(question))
        }
    }
}
