/// Where the planner would have the partitions, and what is missing to that.
struct Placement {
    /// What is not there yet; the order counts.
    var targets: [ChangePlan.Target] = []
    /// Replicas of the targets that are not in the present sets.
    var copies = 0
    /// The fewest that any balanced placement takes.
    let minimum: Int

    /// Moves under way count as done where all whom they go to stay: they are not to be turned round needlessly.
    ///
    /// Nothing is to be copied to members that are dead, while others can take it.
    init(of members: [Member], in topology: Topology, isDead: (NodeNumber) -> Bool) {
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
        var substitutes = Substitutes(of: members, isDead: isDead)
        for replicas in plan.target { substitutes.count(replicas) }
        for (index, (planned, assignment)) in zip(plan.target, topology.assignments).enumerated() {
            let replicas = substitutes.replacing(planned, from: assignment)
            guard replicas != assignment.replicas else { continue }
            let partition = PartitionID(UInt16(truncatingIfNeeded: index))
            targets.append(ChangePlan.Target(partition: partition, replicas: replicas))
            copies += replicas.count { !assignment.replicas.contains($0) }
        }
    }
}

/// Who gets what the dead were to get: of those with the fewest replicas in proportion to their weights, in a zone that
/// the partition is not in yet if there is one.
struct Substitutes {
    private let members: [Member]
    private let avoided: Set<NodeNumber>
    private let joining: Set<NodeNumber>
    private let lost: Set<NodeNumber>
    /// Replicas of the targets, by number.
    private var load: [NodeNumber: Int] = [:]

    init(of members: [Member], isDead: (NodeNumber) -> Bool) {
        self.members = members.filter { $0.stays && !isDead($0.number) }
        avoided = Set(members.filter { $0.stays && isDead($0.number) }.map(\.number))
        joining = Set(members.filter { $0.status == .joining }.map(\.number))
        lost = Set(members.filter { $0.status == .lost }.map(\.number))
    }

    /// Takes a replica set that partitions are to have into account.
    mutating func count(_ replicas: [NodeNumber]) {
        guard !avoided.isEmpty else { return }
        for node in replicas { load[node, default: 0] += 1 }
    }

    /// The target without members that are dead and do not hold the partition; what nobody else can take they keep.
    ///
    /// Joining nodes of the plan are waited for, so that one that is back in a while finds its share, unless the
    /// partition has lost a replica.
    mutating func replacing(_ target: [NodeNumber], from assignment: Assignment) -> [NodeNumber] {
        guard !avoided.isEmpty else { return target }
        let isUrgent = assignment.replicas.contains(where: lost.contains)
        var result = target
        for (index, node) in target.enumerated()
        where avoided.contains(node) && !assignment.replicas.contains(node) && (isUrgent || !joining.contains(node)) {
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
