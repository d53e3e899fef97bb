import ArgumentParser
import KVCore

struct Join: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join",
        abstract: "Admit running nodes to the cluster.",
        discussion: """
            Shows what would be copied, asks, begins, and shows how far it is until the nodes hold their shares. The \
            cluster serves meanwhile. The plan goes on without this command; run again with the same nodes, it \
            shows the plan under way. Exits 2 if the cluster cannot do it or another plan is under way.

            --pause, --resume and --cancel are about the plan under way, whatever it is, and take no nodes.
            """)

    @Argument(help: "Ids of nodes that wait to be admitted.")
    var nodes: [String] = []

    @Option(help: "Their share of the data relative to other nodes, 1-1000, instead of what they say themselves.")
    var weight: Int?

    @Option(help: "What fails together with them, instead of what they say themselves.")
    var zone: String?

    @Option(
        help: ArgumentHelp(
            "The member whose place the node takes; it may be dead, and have the same id.", valueName: "node"))
    var replace: String?

    @OptionGroup var plan: PlanOptions

    @OptionGroup var format: OutputFormat

    @OptionGroup var options: ClientOptions

    func validate() throws {
        try plan.checkNodes(nodes)
        if plan.order != nil && (weight != nil || zone != nil || replace != nil) {
            throw ValidationError("--weight, --zone and --replace are about nodes that join; name them")
        }
        if replace != nil && nodes.count > 1 {
            throw ValidationError("--replace is about one node; join the others without it")
        }
        if let weight, !(1...1000).contains(weight) {
            throw ValidationError("--weight: \(weight) is not a whole number from 1 to 1000")
        }
    }

    func run() async throws {
        let joins = nodes.map { MembershipChange.Join(id: $0, weight: weight, zone: zone, replaces: replace) }
        let task = PlanTask(
            client: try options.client(), options: plan, isJSON: format.isJSON,
            command: "kv join \(nodes.joined(separator: " "))")
        if let order = plan.order { return try await task.obey(order) }
        try await task.run(.members(MembershipChange(joins: joins)))
    }
}
