import KVClient
import KVCore

/// Waits for a plan's end and shows how far it is, whichever nodes die meanwhile.
struct PlanFollower {
    /// How often the plan is looked at.
    static let interval = Duration.milliseconds(250)
    /// How long it is put up with that no node can tell.
    static let patience = Duration.seconds(60)
    /// How long the node that is asked may take to hear of a plan's end.
    static let settlingTime = Duration.seconds(5)

    let client: KVClient
    let isJSON: Bool

    /// - Parameter toCancel: the plan is wanted to be undone.
    /// - Throws: `Failure` where it did not come to what was wanted.
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
        // A plan that is being cancelled tells what it undoes: who was to join leaves.
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

    /// Whether the members are now what the plan was for.
    private func isAchieved(_ plan: PlanProgress) async throws -> Bool {
        // It has undone what it had done. (That its members are as it tells is no sign of what it was for.)
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
    /// Whether everybody who was to join is here to stay, and everybody who was to leave has left.
    fileprivate func isAfter(_ plan: PlanProgress) -> Bool {
        let joined = plan.joining.allSatisfy { id in nodes.contains { $0.id == id && $0.standing == "active" } }
        // A node may have taken the place of one of the same name.
        let left = plan.leaving.allSatisfy { id in
            !nodes.contains { $0.id == id && ($0.standing != "active" || !plan.joining.contains(id)) }
        }
        return joined && left
    }
}
