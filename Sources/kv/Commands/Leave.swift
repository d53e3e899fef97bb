import ArgumentParser
import KVCore

struct Leave: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leave",
        abstract: "Drain nodes and remove them from the cluster.",
        discussion: """
            Shows what would be copied, asks, begins, and shows how far it is until the nodes hold nothing and are no \
            members any more; their processes then end by themselves. The cluster serves meanwhile. The plan goes on \
            without this command; run again with the same nodes, it shows the plan under way. Exits 2 if the cluster \
            cannot do it or another plan is under way.

            --pause, --resume and --cancel are about the plan under way, whatever it is, and take no nodes.
            """)

    @Argument(help: "Ids of members.")
    var nodes: [String] = []

    @Flag(help: "They are dead: do without their help. Their data is copied from the other replicas.")
    var force = false

    @OptionGroup var plan: PlanOptions

    @OptionGroup var format: OutputFormat

    @OptionGroup var options: ClientOptions

    func validate() throws {
        try plan.checkNodes(nodes)
        if plan.order != nil && force { throw ValidationError("--force is about nodes that leave; name them") }
    }

    func run() async throws {
        let task = PlanTask(
            client: try options.client(), options: plan, isJSON: format.isJSON,
            command: "kv leave \(nodes.joined(separator: " "))")
        if let order = plan.order { return try await task.obey(order) }
        try await task.run(.members(MembershipChange(leaves: nodes, isForced: force)))
    }
}
