extension Topology {
    /// Says what is wrong with the document in itself, or nil. No node goes by one that is not sound, whoever sent it.
    /// So every index and number in an adopted topology may be relied on.
    package var flaw: String? {
        if epoch == 0 || epoch == .max { return "its epoch is out of range" }
        let partitions = settings.partitions
        guard SlotMap(founding: partitions, count: assignments.count) != nil, settings.replicas > 0
        else { return "its partitions do not add up" }
        return flawOfMembers ?? flawOfAssignments ?? flawOfPlan
    }

    /// Whether this may come after `earlier`: it is the same cluster's, later, and sound.
    package func isSound(after earlier: Topology) -> Bool {
        clusterID == earlier.clusterID && settings == earlier.settings && epoch > earlier.epoch
            && lastNumber >= earlier.lastNumber && assignments.count >= earlier.assignments.count && flaw == nil
    }

    private var flawOfMembers: String? {
        guard !members.isEmpty else { return "it has no members" }
        var last = NodeNumber(0)
        for member in members {
            guard member.number > last, member.number <= lastNumber else { return "its members are out of order" }
            guard member.weight > 0 else { return "\(member.id) has no weight" }
            last = member.number
        }
        let stores = members.compactMap(\.store)
        guard Set(stores).count == stores.count else { return "two members have one store" }
        let gone = Set(removed.compactMap(\.store))
        guard gone.isDisjoint(with: stores) else { return "a removed store is back" }
        last = NodeNumber(0)
        for former in removed {
            guard former.number > last, former.number <= lastNumber, member(former.number) == nil else {
                return "its removed members are out of order"
            }
            last = former.number
        }
        return nil
    }

    private var flawOfAssignments: String? {
        let present = MemberSet(members)
        for (place, assignment) in assignments.enumerated() where !isSound(assignment, present) {
            return "partition \(slots.partition(at: place)) is out of order"
        }
        return flawOfMetadataQuorum
    }

    /// Says what is wrong with the metadata quorum, given members that are in order.
    var flawOfMetadataQuorum: String? {
        guard isSound(metadataQuorum, MemberSet(members)),
            metadataQuorum.replicas.count <= Self.maximumMetadataQuorum,
            metadataQuorum.next?.count ?? 0 <= Self.maximumMetadataQuorum
        else { return "its metadata quorum is out of order" }
        return nil
    }

    private func isSound(_ assignment: Assignment, _ present: MemberSet) -> Bool {
        guard present.holds(assignment.replicas), assignment.next.map(present.holds) ?? true else { return false }
        return (1...epoch).contains(assignment.changed) && assignment.since.count == assignment.members.count
            && assignment.since.allSatisfy { (1...assignment.changed).contains($0) }
    }

    private var flawOfPlan: String? {
        guard let plan else {
            let isAtRest = members.allSatisfy { $0.status == .active } && assignments.allSatisfy { $0.next == nil }
            return isAtRest ? nil : "something moves without a plan"
        }
        guard (1...epoch).contains(plan.id), plan.moves >= 0, plan.minimum >= 0 else {
            return "its plan is out of order"
        }
        guard plan.splitTo == 0 || plan.reason == .split && (assignments.count...Slot.count).contains(plan.splitTo)
        else { return "its plan splits partitions out of order" }
        let staying = MemberSet(members.filter(\.stays))
        var last = -1
        var moving = assignments.count { $0.next != nil }
        let slots = slots
        for target in plan.targets {
            guard let index = slots.place(of: target.partition), index > last, staying.holds(target.replicas) else {
                return "its plan's targets are out of order"
            }
            if let next = assignments[index].next {
                guard next == target.replicas else {
                    return "partition \(target.partition) moves elsewhere than planned"
                }
                moving -= 1
            }
            last = index
        }
        return moving == 0 ? nil : "something moves that the plan does not name"
    }
}

/// The numbers of members. Replica sets are compared with it by the thousand.
private struct MemberSet {
    private var isMember: [Bool]

    init(_ members: [Member]) {
        isMember = Array(repeating: false, count: Int(members.last?.number.raw ?? 0) + 1)
        for member in members { isMember[Int(member.number.raw)] = true }
    }

    /// Whether these are members, at least one, and each only once.
    func holds(_ nodes: [NodeNumber]) -> Bool {
        guard !nodes.isEmpty, nodes.count < isMember.count else { return false }
        for (index, node) in nodes.enumerated() {
            guard Int(node.raw) < isMember.count, isMember[Int(node.raw)], !nodes[..<index].contains(node) else {
                return false
            }
        }
        return true
    }
}
