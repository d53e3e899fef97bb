extension RebalanceProgress {
    /// How the plan of a topology stands; nil where it has none.
    func status(of topology: Topology, isAlive: (NodeNumber) -> Bool) -> PlanStatus? {
        guard let plan = topology.plan else { return nil }
        var bytesLeft: UInt64 = 0
        var copiesLeft = 0
        var underWay: [MoveStatus] = []
        var waiting: [MoveStatus] = []
        for target in plan.targets {
            guard let assignment = topology.assignment(of: target) else { continue }
            let joiningNodes = target.replicas.filter { !assignment.replicas.contains($0) }
            copiesLeft += joiningNodes.count
            if assignment.next != nil {
                let move = status(of: target.partition, assignment, to: target.replicas, isAlive: isAlive)
                bytesLeft = saturatingSum(bytesLeft, move.total > move.sent ? move.total - move.sent : 0)
                underWay.append(move)
                continue
            }
            let bytes = saturatingProduct(size(of: target.partition), UInt64(joiningNodes.count))
            bytesLeft = saturatingSum(bytesLeft, bytes)
            if waiting.count < PlanStatus.maximumUnderWay,
                let absent = joiningNodes.first(where: { !isAlive($0) })
                    ?? Self.missing(assignment, to: target.replicas, isAlive: isAlive)
            {
                // The move is not begun: a partition is not to depend on a node that is not there.
                waiting.append(
                    MoveStatus(
                        partition: target.partition, from: assignment.replicas, to: target.replicas, sent: 0,
                        total: bytes, obstacle: .unreachable(absent)))
            }
        }
        if let next = topology.metadataQuorum.next {
            underWay.append(
                status(of: topology.metadataPartition, topology.metadataQuorum, to: next, isAlive: isAlive))
        }
        let shown = underWay.filter { $0.obstacle != nil } + waiting + underWay.filter { $0.obstacle == nil }
        return PlanStatus(
            id: plan.id, reason: plan.reason, joining: topology.members.filter { $0.status == .joining }.map(\.id),
            leaving: topology.members.filter { !$0.stays }.map(\.id), isPaused: plan.isPaused,
            isCancelling: plan.isCancelling, moves: plan.moves, movesDone: max(plan.moves - copiesLeft, 0),
            partitionsLeft: plan.targets.count, minimum: plan.minimum, bytes: plan.bytes,
            bytesDone: plan.bytes > bytesLeft ? plan.bytes - bytesLeft : 0, rate: rate,
            underWay: Array(shown.prefix(PlanStatus.maximumUnderWay)),
            partitions: plan.reason == .split ? topology.assignments.count : 0, splitTo: plan.splitTo,
            waitsFor: waited(in: topology, isAlive: isAlive),
            shares: Self.shares(of: topology, under: plan))
    }

    /// So many samples, a second each, without a split are worth a word.
    private static let longStanding = 5

    /// The living member that splits have been waiting for; nil if they go on.
    private func waited(in topology: Topology, isAlive: (NodeNumber) -> Bool) -> String? {
        guard let plan = topology.plan, plan.reason == .split, !plan.isPaused, plan.targets.isEmpty,
            standing >= Self.longStanding
        else { return nil }
        return topology.members.first { member in
            isAlive(member.number) && (prepared[member.number] ?? 0) <= topology.assignments.count
        }?.id
    }

    /// A node that is missing for a majority of either set; nil where both have their majorities.
    private static func missing(
        _ assignment: Assignment, to next: [NodeNumber], isAlive: (NodeNumber) -> Bool
    ) -> NodeNumber? {
        for set in [assignment.replicas, next] where !set.hasMajority(isAlive) {
            return set.first { !isAlive($0) }
        }
        return nil
    }

    private func status(
        of partition: PartitionID, _ assignment: Assignment, to next: [NodeNumber], isAlive: (NodeNumber) -> Bool
    ) -> MoveStatus {
        let report = report(on: partition, assignment)
        let joiningNodes = next.count { !assignment.replicas.contains($0) }
        return MoveStatus(
            partition: partition, from: assignment.replicas, to: next, sent: report?.sent ?? 0,
            total: report?.total ?? saturatingProduct(size(of: partition), UInt64(joiningNodes)),
            obstacle: report?.isReady == true
                ? nil
                : Self.missing(assignment, to: next, isAlive: isAlive).map { .unreachable($0) } ?? report?.obstacle)
    }

    /// How many bytes joining nodes are to be sent until the targets are reached.
    func bytes(toReach targets: [ChangePlan.Target], in topology: Topology) -> UInt64 {
        targets.reduce(0) { sum, target in
            let replicas = topology.replicas(of: target.partition)
            let joiningNodes = target.replicas.count { !replicas.contains($0) }
            return saturatingSum(sum, saturatingProduct(size(of: target.partition), UInt64(joiningNodes)))
        }
    }
}

private func saturatingSum(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
}

func saturatingProduct(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    return overflow ? .max : product
}
