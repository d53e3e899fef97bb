// Plans the next members, and where the partitions are to live then.

extension TopologyDraft {
    /// Begins a plan that gives the cluster these members.
    mutating func begin(
        _ members: [Member], lastNumber: NodeNumber, reason: ChangePlan.Reason, ledger: RebalanceProgress,
        isDead: (NodeNumber) -> Bool
    ) {
        let placement = Placement(of: members, in: topology, isDead: isDead)
        let plan = ChangePlan(
            id: topology.epoch, reason: reason, targets: placement.targets, moves: placement.copies,
            minimum: placement.minimum, bytes: ledger.bytes(toReach: placement.targets, in: topology))
        change { topology in
            topology.members = members
            topology.lastNumber = lastNumber
            topology.plan = plan
        }
    }

    /// Makes the plan under way undo itself: members that were to join leave, and those that were to leave stay.
    mutating func cancel(ledger: RebalanceProgress, isDead: (NodeNumber) -> Bool) {
        guard var plan = topology.plan else { return assertionFailure("only a plan under way is cancelled") }
        if plan.reason == .split {
            // What has been split stays so.
            plan.splitTo = topology.assignments.count
            plan.isCancelling = true
            plan.isPaused = false
            return change { $0.plan = plan }
        }
        change { topology in
            for index in topology.members.indices {
                switch topology.members[index].status {
                case .joining: topology.members[index].status = .leaving
                case .leaving: topology.members[index].status = .active
                case .active, .lost: break
                }
            }
        }
        dropNext { _, _ in true }
        let placement = Placement(of: topology.members, in: topology, isDead: isDead)
        plan.isCancelling = true
        plan.isPaused = false
        plan.targets = placement.targets
        plan.moves = placement.copies
        plan.minimum = placement.minimum
        plan.bytes = ledger.bytes(toReach: placement.targets, in: topology)
        change { $0.plan = plan }
    }

    /// Gives members up for dead while a plan is under way, and plans the rest of it anew. Moves that this does not
    /// concern go on.
    mutating func giveUp(_ numbers: Set<NodeNumber>, ledger: RebalanceProgress, isDead: (NodeNumber) -> Bool) {
        guard let before = ledger.status(of: topology, isAlive: { _ in true }) else {
            return assertionFailure("members are given up within a plan")
        }
        change { topology in
            for index in topology.members.indices where numbers.contains(topology.members[index].number) {
                topology.members[index].status = .lost
            }
        }
        let placement = Placement(of: topology.members, in: topology, isDead: isDead)
        aim(at: placement.targets, minimum: placement.minimum, after: before, ledger: ledger)
    }

    /// Gives other targets to partitions that were to be copied to members that are away, while there are any.
    mutating func redirect(ledger: RebalanceProgress, isAway: (NodeNumber) -> Bool) {
        guard let plan = topology.plan, topology.members.contains(where: { $0.stays && isAway($0.number) }),
            let before = ledger.status(of: topology, isAlive: { _ in true })
        else { return }
        var substitutes = Substitutes(of: topology.members, isDead: isAway)
        for (index, assignment) in topology.assignments.enumerated() {
            let partition = topology.slots.partition(at: index)
            substitutes.count(plan.target(of: partition) ?? assignment.replicas)
        }
        var targets: [ChangePlan.Target] = []
        for var target in plan.targets {
            guard let assignment = topology.assignment(of: target) else { continue }
            target.replicas = substitutes.replacing(target.replicas, from: assignment)
            if target.replicas != assignment.replicas || assignment.next != nil { targets.append(target) }
        }
        guard targets != plan.targets else { return }
        aim(at: targets, minimum: max(plan.minimum - before.movesDone, 0), after: before, ledger: ledger)
    }

    /// Plans what is missing from a balanced placement when the targets are reached. Where members were dead when the
    /// targets were made, or have died since, others hold what they were to get. Returns whether anything is missing.
    mutating func rebalance(ledger: RebalanceProgress, isDead: (NodeNumber) -> Bool) -> Bool {
        guard !topology.members.contains(where: { $0.stays && isDead($0.number) }),
            let before = ledger.status(of: topology, isAlive: { _ in true })
        else { return false }
        let placement = Placement(of: topology.members, in: topology, isDead: isDead)
        guard !placement.targets.isEmpty else { return false }
        aim(at: placement.targets, minimum: placement.minimum, after: before, ledger: ledger)
        return true
    }

    /// Gives the plan these targets, and takes back the moves that go elsewhere.
    private mutating func aim(
        at targets: [ChangePlan.Target], minimum: Int, after before: PlanStatus, ledger: RebalanceProgress
    ) {
        guard var plan = topology.plan else { return assertionFailure("only a plan has targets") }
        let aims = Dictionary(uniqueKeysWithValues: targets.map { ($0.partition, $0.replicas) })
        dropNext { partition, next in aims[partition] != next }
        var copies = 0
        plan.targets = targets.filter { target in
            let present = topology.replicas(of: target.partition)
            copies += target.replicas.count { !present.contains($0) }
            return target.replicas != present
        }
        plan.moves = before.movesDone + copies
        plan.minimum = before.movesDone + minimum
        let (bytes, overflow) = before.bytesDone.addingReportingOverflow(
            ledger.bytes(toReach: plan.targets, in: topology))
        plan.bytes = overflow ? .max : bytes
        change { $0.plan = plan }
    }

    /// Takes back moves that cannot get anywhere: those in which either set lacks a majority, because the partition
    /// could not be served until the dead are back, and those that copy to members that are away. Their targets stay.
    mutating func takeBack(isDead: (NodeNumber) -> Bool, isAway: (NodeNumber) -> Bool) {
        // Without a plan nothing moves.
        guard topology.plan != nil else { return }
        let stuck = topology.assignments.indices.filter { place in
            let assignment = topology.assignments[place]
            guard let next = assignment.next else { return false }
            return !assignment.replicas.hasMajority { !isDead($0) } || !next.hasMajority { !isDead($0) }
                || next.contains { !assignment.replicas.contains($0) && isAway($0) }
        }
        guard !stuck.isEmpty else { return }
        let partitions = Set(stuck.map(topology.slots.partition(at:)))
        dropNext { partition, _ in partitions.contains(partition) }
    }

    /// Takes back moves under way. Every write under joint majorities is on a majority of the present set, so that set
    /// may go on alone.
    private mutating func dropNext(where isDropped: (PartitionID, [NodeNumber]) -> Bool) {
        change { topology in
            for index in topology.assignments.indices {
                let assignment = topology.assignments[index]
                guard let next = assignment.next,
                    isDropped(topology.slots.partition(at: index), next)
                else { continue }
                topology.assignments[index] = assignment.changing(
                    to: assignment.replicas, next: nil, at: topology.epoch)
            }
        }
    }
}

extension Topology {
    /// Where the partition of a target lives.
    func assignment(of target: ChangePlan.Target) -> Assignment? {
        let assignment = assignment(of: target.partition)
        assert(assignment != nil, "a plan names partitions of its topology")
        return assignment
    }
}
