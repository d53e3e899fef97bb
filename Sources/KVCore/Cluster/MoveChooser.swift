/// Which partitions of a plan begin to move next, so that those who send and those who receive are burdened evenly.
struct MoveChooser {
    private let topology: Topology
    private let plan: ChangePlan
    private let options: ClusterOptions
    private let isAlive: (NodeNumber) -> Bool
    /// Moves under way in which a node sends or receives, by number.
    private var load: [Int]
    private var free: Int

    /// Candidates looked at for each choice.
    private static let window = 1024

    /// Nil where the topology has no plan.
    init?(_ topology: Topology, options: ClusterOptions, isAlive: @escaping (NodeNumber) -> Bool) {
        guard let plan = topology.plan else { return nil }
        self.topology = topology
        self.plan = plan
        self.options = options
        self.isAlive = isAlive
        load = Array(repeating: 0, count: Int(topology.lastNumber.raw) + 1)
        free = options.maximumMoves
        var underWay = 0
        for target in plan.targets {
            guard let assignment = topology.assignment(of: target.partition), assignment.next != nil else { continue }
            for node in burdened(assignment, target.replicas) { load[Int(node.raw)] += 1 }
            underWay += 1
            // What waits for a newcomer to come back must not hold up the rest.
            if newcomers(assignment, target.replicas).allSatisfy(isAlive) { free -= 1 }
        }
        free = min(free, 2 * options.maximumMoves - underWay)
    }

    /// Those first that still count on a member given up for dead.
    mutating func choose() -> [ChangePlan.Target] {
        guard free > 0 else { return [] }
        var candidates: [(target: ChangePlan.Target, nodes: [NodeNumber])] = []
        for target in plan.targets {
            guard let assignment = topology.assignment(of: target.partition), assignment.next == nil,
                Set(assignment.replicas) != Set(target.replicas),
                newcomers(assignment, target.replicas).allSatisfy(isAlive)
            else { continue }
            candidates.append((target, burdened(assignment, target.replicas)))
        }
        let lost = Set(topology.members.lazy.filter { $0.standing == .lost }.map(\.number))
        let urgent = candidates.filter { !lost.isDisjoint(with: topology.replicas(of: $0.target.partition)) }
        if !urgent.isEmpty {
            let isUrgent = Set(urgent.map(\.target.partition))
            candidates = urgent + candidates.filter { !isUrgent.contains($0.target.partition) }
        }
        return pick(from: candidates, urgent: urgent.count)
    }

    private mutating func pick(
        from candidates: [(target: ChangePlan.Target, nodes: [NodeNumber])], urgent: Int
    ) -> [ChangePlan.Target] {
        var waiting = candidates
        var urgent = urgent
        var chosen: [ChangePlan.Target] = []
        while free > 0, !waiting.isEmpty {
            let reach = min(urgent > 0 ? urgent : waiting.count, Self.window)
            var best = 0
            var least = (Int.max, Int.max)
            for index in 0..<reach {
                var burden = (0, 0)
                for node in waiting[index].nodes {
                    burden.0 = max(burden.0, load[Int(node.raw)])
                    burden.1 += load[Int(node.raw)]
                }
                if burden < least { (best, least) = (index, burden) }
            }
            let (target, nodes) = waiting.remove(at: best)
            for node in nodes { load[Int(node.raw)] += 1 }
            chosen.append(target)
            urgent -= 1
            free -= 1
        }
        return chosen
    }

    private func newcomers(_ assignment: Assignment, _ target: [NodeNumber]) -> [NodeNumber] {
        target.filter { !assignment.replicas.contains($0) }
    }

    /// Who would send, most likely, and who would receive.
    private func burdened(_ assignment: Assignment, _ target: [NodeNumber]) -> [NodeNumber] {
        let sender = assignment.replicas.first(where: isAlive) ?? assignment.replicas.first
        return (sender.map { [$0] } ?? []) + newcomers(assignment, target)
    }
}
