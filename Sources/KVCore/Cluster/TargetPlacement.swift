/// The placement that the planner would have, and what it takes to get there.
struct Placement {
    /// The partitions that are not where they are to be yet. A replica set in another order counts as another.
    var targets: [ChangePlan.Target] = []
    /// How many replicas of the targets are not in the present sets.
    var copies = 0
    /// The fewest that any balanced placement takes.
    let minimum: Int

    /// Finds the placement for `members`.
    ///
    /// A move under way counts as done where all nodes that it goes to stay, so that it is not turned round needlessly.
    /// Nothing is to be copied to members that are dead, while others can take it.
    init(of members: [Member], in topology: Topology, isDead: (NodeNumber) -> Bool) {
        let staying = members.filter(\.stays)
        let numbers = Set(staying.map(\.number))
        let expected = topology.assignments.map { assignment in
            assignment.next.flatMap { numbers.isSuperset(of: $0) ? $0 : nil } ?? assignment.replicas
        }
        let settings = topology.settings
        let plan = Planner.plan(
            members: staying, partitions: topology.assignments.count, replicas: settings.replicas, current: expected)
        minimum = Planner.leastCopies(
            members: staying, partitions: topology.assignments.count, replicas: settings.replicas,
            current: topology.assignments.map(\.replicas))
        var substitutes = Substitutes(of: members, isDead: isDead)
        for replicas in plan.target { substitutes.count(replicas) }
        for (index, (planned, assignment)) in zip(plan.target, topology.assignments).enumerated() {
            let replicas = substitutes.replacing(planned, from: assignment)
            // It is there already.
            guard replicas != assignment.replicas else { continue }
            let partition = topology.slots.partition(at: index)
            targets.append(ChangePlan.Target(partition: partition, replicas: replicas))
            copies += replicas.count { !assignment.replicas.contains($0) }
        }
    }
}

/// Finds members that get what dead ones were to get: those with the fewest replicas in proportion to their weights,
/// and in a zone that the partition is not in yet, if there is one.
struct Substitutes {
    private let members: [Member]
    private let avoided: Set<NodeNumber>
    private let joining: Set<NodeNumber>
    private let lost: Set<NodeNumber>
    /// How many replicas of the targets each node has.
    private var load: [NodeNumber: Int] = [:]

    init(of members: [Member], isDead: (NodeNumber) -> Bool) {
        self.members = members.filter { $0.stays && !isDead($0.number) }
        avoided = Set(members.filter { $0.stays && isDead($0.number) }.map(\.number))
        joining = Set(members.filter { $0.status == .joining }.map(\.number))
        lost = Set(members.filter { $0.status == .lost }.map(\.number))
    }

    /// Counts a replica set that a partition is to have.
    mutating func count(_ replicas: [NodeNumber]) {
        guard !avoided.isEmpty else { return }
        for node in replicas { load[node, default: 0] += 1 }
    }

    /// The target without members that are dead and do not hold the partition. They keep what nobody else can take.
    ///
    /// Joining nodes of the plan are waited for, so that one that is back in a while finds its share, unless the
    /// partition has lost a replica.
    mutating func replacing(_ target: [NodeNumber], from assignment: Assignment) -> [NodeNumber] {
        guard !avoided.isEmpty else { return target }
        let isUrgent = assignment.replicas.contains(where: lost.contains)
        var result = target
        for (index, node) in target.enumerated()
        where avoided.contains(node) && !assignment.replicas.contains(node) && (isUrgent || !joining.contains(node)) {
            // Nobody else can take it.
            guard let other = substitute(in: result, without: node, from: assignment) else { continue }
            result[index] = other
            load[node, default: 0] -= 1
            load[other, default: 0] += 1
        }
        return result
    }

    private func substitute(
        in target: [NodeNumber], without node: NodeNumber, from assignment: Assignment
    ) -> NodeNumber? {
        let zones = Set(
            target.filter { $0 != node }.compactMap { number in members.first { $0.number == number }?.zone })
        let free = members.filter { !target.contains($0.number) }
        return free.min { a, b in
            let (isNearA, isNearB) = (zones.contains(a.zone), zones.contains(b.zone))
            if isNearA != isNearB { return isNearB }
            let (holdsA, holdsB) = (assignment.replicas.contains(a.number), assignment.replicas.contains(b.number))
            if holdsA != holdsB { return holdsA }
            let (loadA, loadB) = (load[a.number, default: 0] * b.weight, load[b.number, default: 0] * a.weight)
            return loadA == loadB ? a.number < b.number : loadA < loadB
        }?.number
    }
}
