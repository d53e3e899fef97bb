extension RebalanceProgress {
    /// How the rest of a plan changes the members' shares, in the order of their numbers.
    static func shares(of topology: Topology, under plan: ChangePlan) -> [ShareChange] {
        var now = Tally(of: topology)
        for assignment in topology.assignments { now.count(assignment.replicas) }
        var then = now
        for target in plan.targets {
            then.count(topology.replicas(of: target.partition), by: -1)
            then.count(target.replicas)
        }
        then.countSplits(of: topology, under: plan)
        return topology.members.map { member in
            let number = Int(member.number.raw)
            return ShareChange(
                id: member.id, replicasBefore: now.replicas[number], replicasAfter: then.replicas[number],
                leadersBefore: now.leaders[number], leadersAfter: then.leaders[number])
        }
    }

    /// Counts by the numbers of nodes.
    private struct Tally {
        var replicas: [Int]
        var leaders: [Int]

        init(of topology: Topology) {
            replicas = Array(repeating: 0, count: Int(topology.lastNumber.raw) + 1)
            leaders = replicas
        }

        mutating func count(_ set: [NodeNumber], by one: Int = 1) {
            for node in set { replicas[Int(node.raw)] += one }
            if let first = set.first { leaders[Int(first.raw)] += one }
        }

        /// Counts the partitions that splits have yet to make. Each has the replicas of the one that it comes of.
        mutating func countSplits(of topology: Topology, under plan: ChangePlan) {
            let slots = topology.slots
            guard plan.splitTo > slots.count else { return }
            let targets = Dictionary(
                plan.targets.map { ($0.partition, $0.replicas) }, uniquingKeysWith: { first, _ in first })
            for place in slots.count..<plan.splitTo {
                var partition = slots.partition(at: place)
                while slots.place(of: partition) == nil, let parent = slots.parent(of: partition) { partition = parent }
                count(targets[partition] ?? topology.replicas(of: partition))
            }
        }
    }
}
