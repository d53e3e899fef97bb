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
            do {
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
        let took = PlanText.duration(ContinuousClock.now - begin)
        try display.clear()
        let end = plan.isSplit ? PlanEnd(ofSplit: plan) : PlanEnd(ofMoves: first, plan)
        if try await isAchieved(plan) {
            return try display.finish(
                toCancel
                    ? "it was done before it could be cancelled: \(end.change)" : "done after \(took): \(end.done)")
        }
        guard toCancel else { throw Failure(.conditionFailed, "the plan was cancelled\(end.cancelledByOthers)") }
        try display.finish("cancelled after \(took): \(end.cancelled)")
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
    /// Whether all nodes that were to join are active members, all that were to leave have left, and there are as many
    /// partitions as there were to be.
    fileprivate func isAfter(_ plan: PlanProgress) -> Bool {
        if let splitTo = plan.splitTo, partitions < splitTo { return false }
        let joined = plan.joining.allSatisfy { id in nodes.contains { $0.id == id && $0.standing == "active" } }
        // A node may have replaced one with the same id.
        let left = plan.leaving.allSatisfy { id in
            !nodes.contains { $0.id == id && ($0.standing != "active" || !plan.joining.contains(id)) }
        }
        return joined && left
    }
}

/// What is said at the end of a plan.
private struct PlanEnd {
    let change: String
    let done: String
    let cancelled: String
    let cancelledByOthers: String

    /// - Parameters:
    ///   - first: the plan when it was looked at first.
    ///   - last: the plan when it was looked at last.
    init(ofMoves first: PlanProgress, _ last: PlanProgress) {
        // While a plan is being cancelled, it reports the opposite: nodes that were to join leave.
        change = PlanText.change(first.isCancelling ? last : first)
        done = "\(change), \(last.moves) replicas copied"
        cancelled = "the nodes are as before"
        cancelledByOthers = ", and the nodes are as before" + (first.isCancelling ? "" : " (\(change) not)")
    }

    init(ofSplit plan: PlanProgress) {
        change = "there are \(PlanText.partitions(plan.splitTo ?? 0))"
        done = change
        cancelled = "what was split stays so; 'kv ring' shows how many partitions there are"
        cancelledByOthers = "; \(cancelled)"
    }
}
