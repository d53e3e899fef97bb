// Moves partitions, and the metadata quorum, to where they are to be.

extension TopologyDraft {
    /// Makes the next replica set of a partition the present one, where that is ready.
    ///
    /// Invariant 11: a replica set is switched only when it holds everything. The leader that reports so has found its
    /// whole copy on majorities of both sets, under the very configuration that is switched here.
    mutating func complete(ledger: RebalanceProgress) {
        guard let plan = topology.plan else { return }
        let isReady = plan.targets.map { target in
            guard let assignment = base.assignment(of: target), assignment.next != nil else { return false }
            return ledger.report(on: target.partition, assignment)?.isReady ?? false
        }
        guard isReady.contains(true) else { return }
        change { [base] topology in
            let slots = topology.slots
            var left: [ChangePlan.Target] = []
            for (target, isReady) in zip(plan.targets, isReady) {
                guard isReady, let index = slots.place(of: target.partition),
                    let next = topology.assignments[index].next
                else {
                    left.append(target)
                    continue
                }
                assert(
                    next == target.replicas && topology.assignments[index] == base.assignments[index],
                    "invariant 11: the set that is switched to is the one reported to be ready")
                topology.assignments[index] = topology.assignments[index].changing(
                    to: next, next: nil, at: topology.epoch)
            }
            topology.plan?.targets = left
        }
    }

    /// Begins moves, as many as may be under way.
    mutating func start(options: ClusterOptions, ledger: RebalanceProgress, isAlive: @escaping (NodeNumber) -> Bool) {
        guard let plan = topology.plan, !plan.isPaused else { return }
        var chooser = MoveChooser(topology, options: options, ledger: ledger, isAlive: isAlive)
        let chosen = chooser?.choose() ?? []
        // The same nodes in another order: only who is preferred to lead changes, and majorities stay what they are.
        var done: Set<PartitionID> = []
        for target in plan.targets where done.count < max(options.maximumMoves, options.maximumSmallMoves) {
            guard let assignment = topology.assignment(of: target), assignment.next == nil,
                assignment.replicas.isPermutation(of: target.replicas)
            else { continue }
            done.insert(target.partition)
        }
        guard !chosen.isEmpty || !done.isEmpty else { return }
        change { topology in
            let slots = topology.slots
            for target in chosen {
                guard let index = slots.place(of: target.partition) else { continue }
                let assignment = topology.assignments[index]
                topology.assignments[index] = assignment.changing(
                    to: assignment.replicas, next: target.replicas, at: topology.epoch)
            }
            for target in plan.targets where done.contains(target.partition) {
                guard let index = slots.place(of: target.partition) else { continue }
                topology.assignments[index] = topology.assignments[index].changing(
                    to: target.replicas, next: nil, at: topology.epoch)
            }
            topology.plan?.targets.removeAll { done.contains($0.partition) }
        }
    }

    /// Moves the metadata quorum to where it is to be, by one joint move at a time.
    ///
    /// It moves after the partitions: by then joining nodes have shown that they work, and until then a plan whose
    /// joining nodes die can be cancelled. Only members that the plan gives up for dead leave it first, because it has
    /// no vote to spare.
    mutating func moveMetadataQuorum(ledger: RebalanceProgress, isDead: (NodeNumber) -> Bool) {
        let metadataQuorum = base.metadataQuorum
        let present = metadataQuorum.replicas
        let desired = Planner.metadataQuorum(
            // A dead member keeps its seat but gets none.
            of: topology.members.filter { present.contains($0.number) || !isDead($0.number) },
            // Where there are fewer seats, the dead are the first to lose theirs. The move to a metadata quorum most of
            // which is dead could neither end nor be changed any more.
            current: present.filter { !isDead($0) } + present.filter(isDead))
        if let next = metadataQuorum.next {
            // Invariant 11, as for the partitions.
            if ledger.report(on: base.metadataPartition, metadataQuorum)?.isReady ?? false {
                change { $0.metadataQuorum = metadataQuorum.changing(to: next, next: nil, at: $0.epoch) }
            } else if !next.isPermutation(of: desired) {
                let other = desired.isPermutation(of: metadataQuorum.replicas) ? nil : desired
                change {
                    $0.metadataQuorum = metadataQuorum.changing(to: metadataQuorum.replicas, next: other, at: $0.epoch)
                }
            }
            return
        }
        guard !desired.isPermutation(of: metadataQuorum.replicas), topology.plan?.isPaused != true else { return }
        let hasLost = topology.members.contains { $0.status == .lost && metadataQuorum.replicas.contains($0.number) }
        guard hasLost || topology.plan?.targets.isEmpty ?? true else { return }
        change { $0.metadataQuorum = metadataQuorum.changing(to: metadataQuorum.replicas, next: desired, at: $0.epoch) }
    }
}
