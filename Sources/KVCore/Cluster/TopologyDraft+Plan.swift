// Plans: who is to be a member, and where the partitions are to live then.

extension TopologyDraft {
    /// Begins a plan that gives the cluster these members.
    mutating func begin(
        _ members: [Member], lastNumber: NodeNumber, reason: ChangePlan.Reason, ledger: MoveLedger
    ) {
        let placement = Placement(of: members, in: topology)
        let plan = ChangePlan(
            id: topology.epoch, reason: reason, targets: placement.targets, moves: placement.copies,
            minimum: placement.minimum, bytes: ledger.bytes(toReach: placement.targets, in: topology))
        change { topology in
            topology.members = members
            topology.lastNumber = lastNumber
            topology.plan = plan
        }
    }

    /// Makes the plan under way undo itself: who was to come goes, who was to go stays.
    mutating func cancel(ledger: MoveLedger) {
        guard var plan = topology.plan else { return }
        change { topology in
            for index in topology.members.indices {
                switch topology.members[index].standing {
                case .joining: topology.members[index].standing = .leaving
                case .leaving: topology.members[index].standing = .active
                case .active, .lost: break
                }
            }
        }
        dropNext { _, _ in true }
        let placement = Placement(of: topology.members, in: topology)
        plan.isCancelling = true
        plan.isPaused = false
        plan.targets = placement.targets
        plan.moves = placement.copies
        plan.minimum = placement.minimum
        plan.bytes = ledger.bytes(toReach: placement.targets, in: topology)
        change { $0.plan = plan }
    }

    /// Gives members up for dead while a plan is under way, and plans the rest of it anew. Partitions whose move is not
    /// touched by that go on with it.
    mutating func giveUp(_ numbers: Set<NodeNumber>, ledger: MoveLedger) {
        guard var plan = topology.plan, let before = ledger.status(of: topology, isAlive: { _ in true }) else { return }
        change { topology in
            for index in topology.members.indices where numbers.contains(topology.members[index].number) {
                topology.members[index].standing = .lost
            }
        }
        let placement = Placement(of: topology.members, in: topology)
        let aims = Dictionary(uniqueKeysWithValues: placement.targets.map { ($0.partition, $0.replicas) })
        dropNext { partition, next in aims[partition] != next }
        plan.targets = placement.targets
        plan.moves = before.movesDone + placement.copies
        plan.minimum = before.movesDone + placement.minimum
        let (bytes, overflow) = before.bytesDone.addingReportingOverflow(
            ledger.bytes(toReach: placement.targets, in: topology))
        plan.bytes = overflow ? .max : bytes
        change { $0.plan = plan }
    }

    /// Takes back moves under way. Every write under joint majorities is on a majority of the present set, so that may
    /// go on alone.
    private mutating func dropNext(where isDropped: (PartitionID, [NodeNumber]) -> Bool) {
        change { topology in
            for index in topology.assignments.indices {
                let assignment = topology.assignments[index]
                guard let next = assignment.next,
                    isDropped(PartitionID(UInt16(truncatingIfNeeded: index)), next)
                else { continue }
                topology.assignments[index] = assignment.changing(
                    to: assignment.replicas, next: nil, at: topology.epoch)
            }
        }
    }
}

/// Where the planner would have the partitions, and what is missing to that.
private struct Placement {
    /// What is not there yet; the order counts.
    var targets: [ChangePlan.Target] = []
    /// Replicas of the targets that are not in the present sets.
    var copies = 0
    /// The fewest that any balanced placement takes.
    let minimum: Int

    /// Moves under way count as done where all whom they go to stay: they are not to be turned round needlessly.
    init(of members: [Member], in topology: Topology) {
        let staying = members.filter(\.stays)
        let numbers = Set(staying.map(\.number))
        let expected = topology.assignments.map { assignment in
            assignment.next.flatMap { numbers.isSuperset(of: $0) ? $0 : nil } ?? assignment.replicas
        }
        let settings = topology.settings
        let plan = Planner.plan(
            members: staying, partitions: settings.partitions, replicas: settings.replicas, current: expected)
        minimum = Planner.leastCopies(
            members: staying, partitions: settings.partitions, replicas: settings.replicas,
            current: topology.assignments.map(\.replicas))
        for (index, (replicas, assignment)) in zip(plan.target, topology.assignments).enumerated() {
            guard replicas != assignment.replicas else { continue }
            let partition = PartitionID(UInt16(truncatingIfNeeded: index))
            targets.append(ChangePlan.Target(partition: partition, replicas: replicas))
            copies += replicas.count { !assignment.replicas.contains($0) }
        }
    }
}
