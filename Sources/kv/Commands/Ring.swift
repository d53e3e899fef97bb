import ArgumentParser
import KVClient
import KVCore

struct Ring: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ring",
        abstract: "Show the nodes and what they hold, or where keys live; split partitions.",
        discussion: """
            Without keys: the nodes, as the one that is asked sees them, those that wait to be admitted, and the \
            plan under way. With keys, which need not exist: their slot, partition, replica set and leader. With \
            --load: what each shard of each node serves, and the partitions with the most requests.

            With --split: splits partitions in two until there are so many. Shows the plan, asks, begins, and shows \
            how far it is. Nothing is copied, and the cluster serves meanwhile; partitions cannot be joined again. \
            The plan goes on without this command; run again with the same number, it shows the plan under way. Exits \
            2 if the cluster cannot do it or another plan is under way.

            --pause, --resume and --cancel are about the plan under way, whatever it is.
            """)

    @Argument(help: "Any bytes.")
    var keys: [RawArgument] = []

    @Flag(help: "Show what the nodes serve, and the busiest partitions.")
    var load = false

    @Option(help: ArgumentHelp("With --load: how long to count, 100ms to 10s (default 1s).", valueName: "time"))
    var over: String?

    @Flag(help: "Show it again every second, until interrupted.")
    var watch = false

    @Option(
        help: ArgumentHelp(
            "Split partitions until there are so many: a power of two, at most 16384.", valueName: "partitions"))
    var split: Int?

    @OptionGroup var plan: PlanOptions

    @OptionGroup var format: OutputFormat

    @OptionGroup var options: ClientOptions

    func validate() throws {
        try plan.checkOrders(isAlone: keys.isEmpty && split == nil, advice: "give neither keys nor --split")
        if let split, !SlotMap.dividesEqually(into: split) {
            throw ValidationError("--split: \(split) is not a power of two from 1 to \(Slot.count)")
        }
        if split != nil && !keys.isEmpty { throw ValidationError("--split is about all partitions: name no keys") }
        let isPlan = split != nil || plan.order != nil
        if isPlan && (watch || load) {
            throw ValidationError("--watch and --load only show: give them in a command of their own")
        }
        if !isPlan && (plan.yes || plan.dryRun || plan.noWait) {
            throw ValidationError("--yes, --dry-run and --no-wait go with --split")
        }
    }

    func run() async throws {
        let keys = keys.map { Key($0) }
        let span = try span()
        let client = try options.client()
        let task = PlanTask(
            client: client, options: plan, isJSON: format.isJSON, command: "kv ring --split \(split ?? 0)")
        if let order = plan.order { return try await task.obey(order) }
        if let split { return try await task.run(.partitions(split)) }
        guard watch else { return try Output.write(try await picture(keys, span, client)) }
        let clear = Output.canRedraw && !format.isJSON ? "\u{1B}[H\u{1B}[J" : ""
        while true {
            do {
                try Output.write(clear + (try await picture(keys, span, client)))
            } catch let error as KVError {
                // The node may come back, and someone who watches wants to see that.
                try await complain(clear, Failure(error).message)
            } catch let failure as Failure {
                try await complain(clear, failure.message)
            }
            // To count takes its time already.
            if span == nil { try await Task.sleep(for: .seconds(1)) }
        }
    }

    private func complain(_ clear: String, _ message: String) async throws {
        try Output.write(clear)
        Output.complain(message)
        // With --load nothing has taken its time.
        if load { try await Task.sleep(for: .seconds(1)) }
    }

    /// The time to count over; nil without --load.
    private func span() throws -> Duration? {
        guard load else {
            guard over == nil else { throw Failure(.usage, "--over says how long --load counts: add --load") }
            return nil
        }
        guard keys.isEmpty else {
            throw Failure(.usage, "--load is about nodes and partitions: leave the keys out, or --load")
        }
        guard let over else { return .seconds(1) }
        guard let span = try? Nanoseconds(notation: over), Self.spans.contains(span) else {
            throw Failure(.usage, "--over: '\(over)' is not a length of time from 100ms to 10s, such as 5s")
        }
        return Duration(span)
    }

    /// The times that a node counts over.
    private static let spans = Nanoseconds.milliseconds(100)...Nanoseconds.milliseconds(10_000)

    private func loads(over span: Duration, _ client: KVClient) async throws -> String {
        let timeout = Duration(try options.span())
        let load = await ClusterLoad.measured(over: span, by: try await client.nodes()) { address in
            KVClient(endpoints: [address], timeout: timeout)
        }
        if let silent = load.silent.first, load.nodes.isEmpty {
            throw Failure(.unavailable, "no member says what it serves; \(silent.id): \(silent.reason)")
        }
        if format.isJSON { return try JSONOutput.text(load) }
        return LoadTable.lines(load).map { $0 + "\n" }.joined()
    }

    private func picture(_ keys: [Key], _ span: Duration?, _ client: KVClient) async throws -> String {
        if let span { return try await loads(over: span, client) }
        if keys.isEmpty {
            let ring = try await client.ring()
            if format.isJSON { return try JSONOutput.text(ring) }
            let drawing = Output.isTerminal ? RingDrawing(ring, hasColor: Output.hasColor).lines : []
            return (drawing + RingTable.lines(ring, marked: !drawing.isEmpty)).map { $0 + "\n" }.joined()
        }
        var placements: [KeyPlacement] = []
        for key in keys { placements.append(try await client.placement(of: key)) }
        if format.isJSON { return try JSONOutput.text(placements) }
        return RingTable.lines(zip(keys, placements)).map { $0 + "\n" }.joined()
    }
}
