/// Checks an operator's change against the present topology. It finds the members that there would be then, with their
/// status, or throws why the change is refused.
struct ChangeReview {
    private let change: MembershipChange
    private let context: ClusterContext
    private let topology: Topology
    private(set) var members: [Member]
    private(set) var lastNumber: NodeNumber

    /// Reviews a change that begins a plan.
    init(_ change: MembershipChange, _ context: ClusterContext) throws(ControlFailure) {
        self.change = change
        self.context = context
        topology = context.topology
        members = topology.members
        lastNumber = topology.lastNumber
        guard topology.plan == nil else { throw ControlFailure.planUnderWay }
        guard !change.joins.isEmpty || !change.leaves.isEmpty else {
            throw ControlFailure(.impossible, "no node is named: name those that are to join or to leave")
        }
        try Self.checkNamedOnce(change)
        for join in change.joins { try admit(join) }
        for id in change.leaves { try dismiss(id) }
        try Self.checkProgress(members.filter { $0.status == .lost }.map(\.number), context)
        guard members.contains(where: \.stays) else {
            throw ControlFailure(.impossible, "no member would be left: at least one must stay")
        }
    }

    private static func checkNamedOnce(_ change: MembershipChange) throws(ControlFailure) {
        var coming: Set<String> = []
        for join in change.joins where !coming.insert(join.id).inserted {
            throw ControlFailure(.impossible, "\(join.id) is named twice among those that are to join")
        }
        var going: Set<String> = []
        for id in change.leaves + change.joins.compactMap(\.replaces) where !going.insert(id).inserted {
            throw ControlFailure(.impossible, "\(id) is named twice among those that are to leave or be replaced")
        }
    }

    // MARK: - Joins

    private mutating func admit(_ join: MembershipChange.Join) throws(ControlFailure) {
        let pendingNode = try pendingNode(join.id)
        try checkStore(of: pendingNode)
        if let old = join.replaces {
            guard let index = topology.members.firstIndex(where: { $0.id == old }) else {
                throw ControlFailure(.noSuchNode, "\(old), which \(join.id) is to replace, is not a member")
            }
            members[index].status = .lost
        }
        if join.id != join.replaces, topology.member(named: join.id) != nil {
            throw ControlFailure(
                .impossible,
                "\(join.id) is a member already: start the new node under another id, or let it take that member's "
                    + "place with --replace \(join.id)")
        }
        let weight = join.weight ?? pendingNode.weight
        guard (1...PendingNode.maximumWeight).contains(weight) else {
            throw ControlFailure(
                .impossible, "the weight of \(join.id) must be 1-\(PendingNode.maximumWeight), not \(weight)")
        }
        let zone = join.zone ?? pendingNode.zone
        guard PendingNode.isZone(zone) else {
            throw ControlFailure(.impossible, "the zone of \(join.id) must be 1-64 characters of A-Z a-z 0-9 . - _")
        }
        guard lastNumber.raw < .max else {
            throw ControlFailure(.impossible, "\(join.id) cannot join: all 65535 numbers of members have been given")
        }
        lastNumber = NodeNumber(lastNumber.raw + 1)
        members.append(
            Member(
                number: lastNumber, id: join.id, client: pendingNode.client, peer: pendingNode.peer, zone: zone,
                weight: weight, store: pendingNode.store, status: .joining))
    }

    private func pendingNode(_ id: String) throws(ControlFailure) -> PendingNode {
        let found = context.pendingNodes.named(id)
        if found.count > 1 {
            let peers = found.map(\.peer.description).joined(separator: " and ")
            throw ControlFailure(
                .impossible, "\(found.count) nodes wait under the id \(id), at \(peers): stop all but one")
        }
        if let pendingNode = found.first { return pendingNode }
        if topology.member(named: id) != nil {
            throw ControlFailure(.impossible, "\(id) is a member already, and no other node waits under that id")
        }
        throw ControlFailure(
            .noSuchNode,
            "no node waits under the id \(id): start it with seeds that name a member, then ask again (kv ring shows who waits)"
        )
    }

    private func checkStore(of pendingNode: PendingNode) throws(ControlFailure) {
        guard let former = topology.removed.first(where: { $0.store == pendingNode.store }) else { return }
        throw ControlFailure(
            .impossible,
            "\(pendingNode.id) runs with the data directory of \(former.id), which was removed: start it with an empty one"
        )
    }

    // MARK: - Leaves

    private mutating func dismiss(_ id: String) throws(ControlFailure) {
        guard let index = topology.members.firstIndex(where: { $0.id == id }) else {
            throw ControlFailure(.noSuchNode, "\(id) is not a member (kv ring shows who is)")
        }
        let liveness = context.liveness(of: topology.members[index].number)
        if change.isForced {
            try Self.checkIsAway(id, liveness)
        } else if liveness == .dead {
            throw ControlFailure(
                .impossible, "\(id) is dead and cannot hand over what it holds: remove it without its help (--force)")
        }
        members[index].status = change.isForced ? .lost : .leaving
    }

    private static func checkIsAway(_ id: String, _ liveness: Liveness) throws(ControlFailure) {
        guard liveness == .alive else { return }
        throw ControlFailure(.impossible, "\(id) is alive: let it leave without --force, or stop it first")
    }

    /// Checks that the members that are gone for good are not needed for majorities everywhere: otherwise the plan
    /// could never end.
    private static func checkProgress(
        _ lost: [NodeNumber], _ context: ClusterContext
    ) throws(ControlFailure) {
        let topology = context.topology
        let gone = lost.filter { !context.isAlive($0) }
        for number in gone {
            guard let member = topology.member(number), member.status != .lost,
                topology.isStranded(number, isDead: { gone.contains($0) || context.isDead($0) })
            else { continue }
            throw ControlFailure(
                .impossible,
                "without \(member.id) no partition that it holds has a majority of its replicas, so nothing can be "
                    + "agreed or copied: start it again, with its data directory, and let it leave without --force; if its "
                    + "disk is lost for good, 'kv recover' goes on with what is left")
        }
    }

    // MARK: - While a plan is under way

    /// The members that a change gives up for dead in the middle of a plan; nil where it is not of that kind.
    static func givenUp(
        by change: MembershipChange, _ context: ClusterContext
    ) throws(ControlFailure) -> Set<NodeNumber>? {
        let topology = context.topology
        guard topology.plan != nil, change.isForced, change.joins.isEmpty, !change.leaves.isEmpty else { return nil }
        var numbers: Set<NodeNumber> = []
        for id in change.leaves {
            // While one member replaces another of the same name, the old one is given up already.
            let named = topology.members.filter { $0.id == id }
            guard !named.isEmpty else {
                throw ControlFailure(.noSuchNode, "\(id) is not a member (kv ring shows who is)")
            }
            guard let member = named.first(where: { $0.status != .lost }) else {
                throw ControlFailure(.impossible, "\(id) is being removed already (kv ring shows how far that is)")
            }
            try checkIsAway(id, context.liveness(of: member.number))
            numbers.insert(member.number)
        }
        try checkProgress(numbers.sorted(), context)
        guard topology.members.contains(where: { $0.stays && !numbers.contains($0.number) }) else {
            throw ControlFailure(.impossible, "no member would be left: at least one must stay")
        }
        return numbers
    }
}
