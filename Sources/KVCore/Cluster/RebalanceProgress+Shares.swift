extension RebalanceProgress {
    /// How the rest of a plan changes the members' shares, in the order of their numbers.
    static func shares(of topology: Topology, under plan: ChangePlan) -> [ShareChange] {
        let aims = Dictionary(plan.targets.map { ($0.partition, $0.replicas) }, uniquingKeysWith: { first, _ in first })
        var now = Tally()
        var then = Tally()
        for (index, assignment) in topology.assignments.enumerated() {
            now.count(assignment.replicas)
            then.count(aims[PartitionID(UInt16(truncatingIfNeeded: index))] ?? assignment.replicas)
        }
        return topology.members.map { member in
            ShareChange(
                id: member.id, replicasBefore: now.replicas[member.number] ?? 0,
                replicasAfter: then.replicas[member.number] ?? 0, leadersBefore: now.leaders[member.number] ?? 0,
                leadersAfter: then.leaders[member.number] ?? 0)
        }
    }

    private struct Tally {
        var replicas: [NodeNumber: Int] = [:]
        var leaders: [NodeNumber: Int] = [:]

        mutating func count(_ set: [NodeNumber]) {
            for node in set { replicas[node, default: 0] += 1 }
            if let first = set.first { leaders[first, default: 0] += 1 }
        }
    }
}
