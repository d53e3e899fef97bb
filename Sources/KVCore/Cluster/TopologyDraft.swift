/// The next epoch's topology in the making. Whatever is not changed through it stays as it was.
struct TopologyDraft {
    private(set) var topology: Topology
    /// The topology that it follows.
    let base: Topology
    /// Whether there is anything to propose.
    private(set) var isChanged = false

    init(after base: Topology) {
        self.base = base
        topology = base
        topology.epoch = base.epoch + 1
    }

    mutating func change(_ body: (inout Topology) -> Void) {
        body(&topology)
        isChanged = true
    }

    /// Records the stores of members that have none recorded yet.
    mutating func record(_ stores: [NodeNumber: UUID128]) {
        guard !stores.isEmpty else { return }
        change { topology in
            for index in topology.members.indices where topology.members[index].store == nil {
                topology.members[index].store = stores[topology.members[index].number]
            }
        }
    }

    /// Records another address of this node, where it is the only member: nobody else looks for it at the old one.
    mutating func move(_ me: NodeNumber, to addresses: NodeAddresses?) {
        guard let addresses, topology.members.count == 1, topology.plan == nil, let member = topology.member(me),
            addresses != NodeAddresses(client: member.client, peer: member.peer)
        else { return }
        change { topology in
            topology.members[0].client = addresses.client
            topology.members[0].peer = addresses.peer
        }
    }

    mutating func setPaused(_ isPaused: Bool) {
        change { $0.plan?.isPaused = isPaused }
    }

    /// Ends the plan, if everything it was for has come about: partitions and metadata quorum have been where they are
    /// to be since the last epoch at the latest. So the members that are removed here have no vote any more.
    ///
    /// A joining node that is dead is waited for: it has not got its share. Where others took what dead members were to
    /// get, and no member is dead any more, the plan goes on until the placement is balanced.
    mutating func finish(maximumRemoved: Int, ledger: RebalanceProgress, isDead: (NodeNumber) -> Bool) {
        guard let plan = topology.plan, plan.targets.isEmpty, base.metadataQuorum.next == nil,
            topology.metadataQuorum == base.metadataQuorum, base.assignments.count >= plan.splitTo
        else { return }
        if topology.members.contains(where: { $0.status == .joining && isDead($0.number) }) { return }
        // Splits leave all copies where they are.
        let isForPlacement = plan.reason != .split || topology.members.contains { !$0.stays }
        if isForPlacement, rebalance(ledger: ledger, isDead: isDead) { return }
        let gone = topology.members.filter { !$0.stays }
        // The metadata quorum has to move first.
        guard !topology.metadataQuorum.replicas.contains(where: { number in gone.contains { $0.number == number } })
        else { return }
        change { topology in
            topology.plan = nil
            topology.members.removeAll { !$0.stays }
            for index in topology.members.indices { topology.members[index].status = .active }
            topology.removed += gone.map { RemovedMember(number: $0.number, id: $0.id, store: $0.store) }
            topology.removed.sort { $0.number < $1.number }
            topology.removed.removeFirst(max(topology.removed.count - max(maximumRemoved, 0), 0))
        }
    }
}
