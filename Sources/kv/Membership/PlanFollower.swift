import KVClient
import KVCore

/// Waits for the end of a plan and shows its progress, whichever nodes die meanwhile.
struct PlanFollower {
    /// The time between two looks at the plan.
    static let interval = Duration.milliseconds(250)
    /// The time without an answer about the plan, after which the command gives up.
    static let patience = Duration.seconds(60)
    /// The time that the node that is asked may take to hear of the plan's end.
    static let settlingTime = Duration.seconds(5)

    let client: KVClient
    let isJSON: Bool

    /// - Parameter toCancel: whether the user asked to cancel the plan.
    /// - Throws: `Failure` if the plan did not end as wanted.
    func follow(_ first: PlanProgress, toCancel: Bool = false) async throws {
        var display = ProgressDisplay(ProgressDisplay.style(isJSON: isJSON))
        let begin = ContinuousClock.now
        var plan = first
        var heard = begin
        while true {
            try display.show(plan, now: .now)
            try await Task.sleep(for: Self.interval)
            do throws(KVClientError) {
                guard let next = try await client.plan(), next.id == first.id else { break }
                plan = next
                heard = .now
            } catch {
                guard ContinuousClock.now - heard < Self.patience else {
                    try display.clear()
                    throw Failure(
                        .unavailable,
                        "the plan cannot be looked at (\(error)); it goes on without this command: run it again to see")
                }
                try display.note("the plan cannot be looked at now, trying on: \(error)")
            }
        }
        // While a plan is being cancelled, it reports the opposite: nodes that were to join leave.
        let change = PlanText.change(first.isCancelling ? plan : first)
        let took = PlanText.duration(ContinuousClock.now - begin)
        try display.clear()
        if try await isAchieved(plan) {
            return try display.finish(
                toCancel
                    ? "it was done before it could be cancelled: \(change)"
                    : "done after \(took): \(change), \(plan.moves) replicas copied")
        }
        guard toCancel else {
            throw Failure(
                .conditionFailed,
                first.isCancelling
                    ? "the plan was cancelled, and the nodes are as before"
                    : "the plan was cancelled, and the nodes are as before (\(change) not)")
        }
        try display.finish("cancelled after \(took): the nodes are as before")
    }

    /// Whether the members are now as the plan wanted.
    private func isAchieved(_ plan: PlanProgress) async throws -> Bool {
        // The plan was undone. (The members are then as a plan being cancelled reports, so they do not show it.)
        if plan.isCancelling { return false }
        let deadline = ContinuousClock.now + Self.settlingTime
        while true {
            if let ring = try? await client.ring(), ring.isAfter(plan) { return true }
            guard ContinuousClock.now < deadline else { return false }
            try await Task.sleep(for: Self.interval)
        }
    }
}

extension RingStatus {
    /// Whether all nodes that were to join are active members, and all that were to leave have left.
    fileprivate func isAfter(_ plan: PlanProgress) -> Bool {
        let joined = plan.joining.allSatisfy { id in nodes.contains { $0.id == id && $0.standing == "active" } }
        // A node may have replaced one with the same id.
        let left = plan.leaving.allSatisfy { id in
            !nodes.contains { $0.id == id && ($0.standing != "active" || !plan.joining.contains(id)) }
        }
        return joined && left
    }
}
