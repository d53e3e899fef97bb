import KVConfig
import KVClient
import KVCore

/// Executes `kv join` and `kv leave`: shows the plan, asks, begins it, and waits for its end.
///
/// The plan belongs to the cluster and goes on without this process. So if an answer, the node that was asked, or this
/// process is lost, it is enough to look at the plan again.
struct MembershipTask {
    let client: KVClient
    let options: PlanOptions
    let isJSON: Bool
    /// The command as it was typed, for messages.
    let command: String

    func run(_ change: MembershipChange) async throws {
        if let order = options.order { return try await obey(order) }
        let ring = try await learn()
        if options.dryRun { return try await preview(change, ring) }
        // A member that dies during a plan can be forced out while the plan is under way.
        if let plan = try await client.plan(), !change.isForced || plan.includes(change) {
            return try await attach(to: plan, change)
        }
        if isDone(change, in: ring) {
            return try say("\(ids(change)) \(change.joins.count == 1 ? "is a member" : "are members") already")
        }
        try await begin(change, ring)
    }

    // MARK: The plan under way

    private func obey(_ order: PlanOptions.Order) async throws {
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
        case .pause: try say("paused: \(PlanText.progress(plan).trimmed); 'kv join --resume' goes on")
        case .resume where options.noWait: try say("resumed: \(PlanText.progress(plan).trimmed)")
        case .cancel where options.noWait: try say("being cancelled: \(PlanText.progress(plan).trimmed)")
        case .resume: try await PlanFollower(client: client, isJSON: isJSON).follow(plan)
        case .cancel: try await PlanFollower(client: client, isJSON: isJSON).follow(plan, toCancel: true)
        }
    }

    /// Follows the plan that is under way, if it does what was asked for.
    private func attach(to plan: PlanProgress, _ change: MembershipChange) async throws {
        guard plan.includes(change) else {
            throw Failure(
                .conditionFailed,
                "nothing was changed: another plan is under way (\(PlanText.change(plan))); wait for it to end ('kv ring"
                    + " --watch' shows it), or cancel it with 'kv join --cancel'")
        }
        if options.noWait {
            if isJSON { return try Output.write(try JSONOutput.text(PlanAnswer(plan: plan))) }
            return try say("under way already: \(PlanText.progress(plan).trimmed)")
        }
        if !isJSON { try Output.write("under way already: \(PlanText.change(plan))\n") }
        try await PlanFollower(client: client, isJSON: isJSON).follow(plan)
    }

    // MARK: A new plan

    private func preview(_ change: MembershipChange, _ ring: RingStatus) async throws {
        let plan = try await client.change(change, isDryRun: true)
        if isJSON { return try Output.write(try JSONOutput.text(PlanAnswer(plan: plan))) }
        guard let plan else { return try say("nothing has to be done") }
        try Output.write(PlanPreview.lines(plan, of: change, ring).map { $0 + "\n" }.joined())
    }

    private func begin(_ change: MembershipChange, _ ring: RingStatus) async throws {
        let isShown = !isJSON || !options.yes
        if isShown { try await show(change, ring) }
        guard try options.isConfirmed() else { throw Failure(.conditionFailed, "nothing was changed") }
        let plan: PlanProgress?
        do throws(KVClientError) {
            plan = try await client.change(change)
        } catch {
            // The plan may have begun nevertheless, or someone else may have begun it.
            switch error {
            case .unknown, .conflict(code: "plan_under_way", _):
                guard let begun = try? await client.plan(), begun.includes(change) else { throw error }
                plan = begun
            default: throw error
            }
        }
        guard let plan else { return try say("nothing had to be done") }
        if !isShown { PlanPreview.warnings(plan, ring).forEach(Output.complain) }
        if options.noWait {
            if isJSON { return try Output.write(try JSONOutput.text(PlanAnswer(plan: plan))) }
            return try say("begun; '\(command)' shows how far it is, and 'kv ring --watch' the whole")
        }
        if !isJSON { try Output.write("begun; it goes on if this command is interrupted\n") }
        try await PlanFollower(client: client, isJSON: isJSON).follow(plan)
    }

    private func show(_ change: MembershipChange, _ ring: RingStatus) async throws {
        guard let plan = try await client.change(change, isDryRun: true) else { return }
        // If JSON is wanted, standard output has nothing else.
        let text = PlanPreview.lines(plan, of: change, ring).map { $0 + "\n" }.joined() + "\n"
        if isJSON { Output.prompt(text) } else { try Output.write(text) }
    }

    // MARK: What there is

    /// Reads the ring, and adds its members to the client's endpoints, so that any node may die.
    private func learn() async throws(KVClientError) -> RingStatus {
        let ring = try await client.ring()
        client.addEndpoints(ring.members)
        return ring
    }

    private func isDone(_ change: MembershipChange, in ring: RingStatus) -> Bool {
        guard change.leaves.isEmpty, !change.joins.isEmpty else { return false }
        return change.joins.allSatisfy { join in
            join.replaces == nil && ring.nodes.contains { $0.id == join.id && $0.standing == "active" }
                && !ring.waiting.contains { $0.id == join.id }
        }
    }

    private func ids(_ change: MembershipChange) -> String { change.joins.map(\.id).joined(separator: ", ") }

    private func say(_ text: String) throws {
        if isJSON { return try Output.write(try JSONOutput.text(PlanAnswer(plan: nil))) }
        try Output.write(text + "\n")
    }
}

extension PlanProgress {
    /// Whether the plan does what `change` asks for. It may use other weights, and do more.
    func includes(_ change: MembershipChange) -> Bool {
        Set(change.joins.map(\.id)).isSubset(of: joining)
            && Set(change.leaves + change.joins.compactMap(\.replaces)).isSubset(of: leaving)
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
