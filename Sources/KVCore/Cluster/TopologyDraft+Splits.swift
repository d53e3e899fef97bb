// Splits partitions in two, so that a cluster has more of them than it was created with.

extension TopologyDraft {
    /// Begins a plan that splits partitions until there are so many.
    mutating func beginSplitting(to count: Int) {
        let plan = ChangePlan(
            id: topology.epoch, reason: .split, targets: [], moves: 0, minimum: 0, bytes: 0, splitTo: count)
        change { $0.plan = plan }
    }

    /// Makes the splits that all members have prepared, so that none of them has to move records when it learns of
    /// them. Members that are dead are not waited for: they prepare what they have missed before they go by it.
    mutating func split(options: ClusterOptions, ledger: RebalanceProgress, isDead: (NodeNumber) -> Bool) {
        guard let plan = topology.plan, plan.reason == .split, !plan.isPaused, plan.targets.isEmpty,
            topology.assignments == base.assignments
        else { return }
        let slots = topology.slots
        var count = min(plan.splitTo, slots.endOfRound, slots.count + options.maximumSplits)
        for member in topology.members where !isDead(member.number) {
            count = min(count, ledger.prepared[member.number] ?? 0)
        }
        guard count > slots.count else { return }
        change { topology in
            let isDone = topology.takeSplits(count - slots.count, at: topology.epoch)
            assert(isDone, "without targets nothing moves, and a round splits each partition once")
        }
    }
}
