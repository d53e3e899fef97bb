import KVConfig
import KVClient
import KVCore

/// Executes `kv join`, `kv leave` and `kv ring --split`: shows the plan, asks, begins it, and waits for its end.
///
/// The plan belongs to the cluster and goes on without this process. So if an answer, the node that was asked, or this
/// process is lost, it is enough to look at the plan again.
struct PlanTask {
    let client: KVClient
    let options: PlanOptions
    let isJSON: Bool
    /// The command as it was typed, for messages.
    let command: String

    func run(_ goal: PlanGoal) async throws {
        let ring = try await learn()
        if options.dryRun { return try await preview(goal, ring) }
        if let plan = try await client.plan(), !goal.mayExtendPlans || goal.isPart(of: plan) {
            return try await attach(to: plan, goal)
        }
        if let text = goal.reached(in: ring) { return try say(text) }
        try await begin(goal, ring)
    }

    // MARK: The plan under way

    /// Executes an order about the plan that is under way, whatever the plan is.
    func obey(_ order: PlanOptions.Order) async throws {
        // If the plan cannot be read, it can still be paused or cancelled.
        let before = try? await client.plan()
        _ = try? await learn()
        let plan: PlanProgress?
        switch order {
        case .pause: plan = try await client.pausePlan()
        case .resume: plan = try await client.resumePlan()
        case .cancel: plan = try await client.cancelPlan()
        }
        guard let plan = plan ?? before else { return try say("there is no plan any more") }
        if isJSON, order == .pause || options.noWait {
            return try Output.write(try JSONOutput.text(PlanAnswer(plan: plan)))
        }
        switch order {
        case .pause: try say("paused: \(PlanText.progress(plan).trimmed); '\(PlanText.command(plan)) --resume' goes on")
        case .resume where options.noWait: try say("resumed: \(PlanText.progress(plan).trimmed)")
        case .cancel where options.noWait: try say("being cancelled: \(PlanText.progress(plan).trimmed)")
        case .resume: try await PlanFollower(client: client, isJSON: isJSON).follow(plan)
        case .cancel: try await PlanFollower(client: client, isJSON: isJSON).follow(plan, toCancel: true)
        }
    }

    /// Follows the plan that is under way, if it does what was asked for.
    private func attach(to plan: PlanProgress, _ goal: PlanGoal) async throws {
        guard goal.isPart(of: plan) else {
            throw Failure(
                .conditionFailed,
                "nothing was changed: another plan is under way (\(PlanText.change(plan))); wait for it to end ('kv ring"
                    + " --watch' shows it), or cancel it with '\(PlanText.command(plan)) --cancel'")
        }
        if options.noWait {
            if isJSON { return try Output.write(try JSONOutput.text(PlanAnswer(plan: plan))) }
            return try say("under way already: \(PlanText.progress(plan).trimmed)")
        }
        if !isJSON { try Output.write("under way already: \(PlanText.change(plan))\n") }
        try await PlanFollower(client: client, isJSON: isJSON).follow(plan)
    }

    // MARK: A new plan

    private func preview(_ goal: PlanGoal, _ ring: RingStatus) async throws {
        let plan = try await goal.begin(client, isDryRun: true)
        if isJSON { return try Output.write(try JSONOutput.text(PlanAnswer(plan: plan))) }
        guard let plan else { return try say("nothing has to be done") }
        try Output.write(PlanPreview.lines(plan, of: goal, ring).map { $0 + "\n" }.joined())
    }

    private func begin(_ goal: PlanGoal, _ ring: RingStatus) async throws {
        let isShown = !isJSON || !options.yes
        if isShown { try await show(goal, ring) }
        guard try options.isConfirmed() else { throw Failure(.conditionFailed, "nothing was changed") }
        let plan: PlanProgress?
        do {
            plan = try await goal.begin(client)
        } catch let error as KVError {
            // The plan may have begun nevertheless, or someone else may have begun it.
            guard error.effect == .unknown || error.code == .planUnderWay,
                let begun = try? await client.plan(), goal.isPart(of: begun)
            else { throw error }
            plan = begun
        }
        guard let plan else { return try say("nothing had to be done") }
        if !isShown { PlanPreview.warnings(plan, ring).forEach(Output.complain) }
        if options.noWait {
            if isJSON { return try Output.write(try JSONOutput.text(PlanAnswer(plan: plan))) }
            return try say("begun; '\(command)' shows how far it is, and 'kv ring --watch' the whole")
        }
        let end = plan.isSplit ? ", until it is done or 'kv ring --cancel' ends it" : ""
        if !isJSON { try Output.write("begun; it goes on if this command is interrupted\(end)\n") }
        try await PlanFollower(client: client, isJSON: isJSON).follow(plan)
    }

    private func show(_ goal: PlanGoal, _ ring: RingStatus) async throws {
        guard let plan = try await goal.begin(client, isDryRun: true) else { return }
        // If JSON is wanted, standard output has nothing else.
        let text = PlanPreview.lines(plan, of: goal, ring).map { $0 + "\n" }.joined() + "\n"
        if isJSON { Output.prompt(text) } else { try Output.write(text) }
    }

    // MARK: What there is

    /// Reads the ring, and adds its members to the client's endpoints, so that any node may die.
    private func learn() async throws -> RingStatus {
        let ring = try await client.ring()
        client.addEndpoints(ring.members)
        return ring
    }

    private func say(_ text: String) throws {
        if isJSON { return try Output.write(try JSONOutput.text(PlanAnswer(plan: nil))) }
        try Output.write(text + "\n")
    }
}

extension RingStatus {
    /// The addresses at which the members serve clients.
    var members: [Address] { nodes.compactMap { try? Address(notation: $0.client) } }
}

extension String {
    /// The text without leading spaces.
    var trimmed: String { String(drop { $0 == " " }) }
}
