/// The state that the parts of a cluster machine share: which node this is, the time, the topology that it goes by,
/// what it has heard, and the effects of its decisions.
final class ClusterContext {
    let me: NodeNumber
    /// The addresses at which this node is reached, by its configuration; nil where that names none.
    let addresses: NodeAddresses?
    let options: ClusterOptions
    let coding: TopologyCoding
    var now: Now
    var random: SplitMix
    var effects: [ClusterEffect] = []
    /// The topology that this node goes by. It is on disk here, and known to be chosen (invariant 10).
    var topology: Topology
    var ledger: RebalanceProgress
    var pendingNodes: PendingNodeList
    var stores: StoreRegistry
    /// The nodes that may be told what topologies change, as their handshakes have said.
    private var changeTakers: Set<NodeNumber> = []
    private var liveness: [NodeNumber: Liveness] = [:]
    /// For each dead member, and for no other: since when it is dead, by this node's observation.
    private var deadSince: [NodeNumber: Instant] = [:]

    init(
        me: NodeNumber, store: UUID128, addresses: NodeAddresses?, topology: Topology, options: ClusterOptions,
        coding: TopologyCoding, seed: UInt64, now: Now
    ) {
        self.me = me
        self.addresses = addresses
        self.options = options
        self.coding = coding
        self.now = now
        self.topology = topology
        random = SplitMix(seed: seed)
        ledger = RebalanceProgress(topology.slots)
        pendingNodes = PendingNodeList(options: options)
        stores = StoreRegistry(me: me, store: store, now: now)
    }

    var time: Instant { now.monotonic }

    func send(_ node: NodeNumber, _ message: ClusterMessage) { effects.append(.send(node, message)) }

    /// Answers an operator's request to whoever passed it on.
    func answer(_ ask: PendingControl, _ reply: ControlReply) {
        switch ask.origin {
        case .local(let id): effects.append(.answer(id, reply))
        case .remote(let node, let id): send(node, .controlReply(id, reply))
        }
    }

    func notice(_ notice: ClusterNotice) { effects.append(.notice(notice)) }

    /// The status of a member. One that nothing was heard about is alive.
    func liveness(of node: NodeNumber) -> Liveness { node == me ? .alive : liveness[node] ?? .alive }

    /// Whether a node may be told what topologies change. One that was not met may be of an earlier version.
    func takesChanges(_ node: NodeNumber) -> Bool { node == me || changeTakers.contains(node) }

    func setTakesChanges(_ node: NodeNumber, _ takes: Bool) {
        if takes { changeTakers.insert(node) } else { changeTakers.remove(node) }
    }

    func isAlive(_ node: NodeNumber) -> Bool { liveness(of: node) == .alive }

    func isDead(_ node: NodeNumber) -> Bool { liveness(of: node) == .dead }

    /// Whether a member has been dead for so long that nothing is to be copied to it for now.
    func isAway(_ node: NodeNumber) -> Bool {
        assert(isDead(node) == (deadSince[node] != nil), "there is a time for each dead member, and for no other")
        guard let since = deadSince[node] else { return false }
        return time - since >= min(options.redirectAfter, options.evictAfter)
    }

    func setLiveness(of node: NodeNumber, _ status: Liveness) {
        // Nobody else tells how this node is, and strangers are none of its concern.
        guard node != me, topology.member(node) != nil else { return }
        liveness[node] = status
        if status != .dead { deadSince[node] = nil } else if deadSince[node] == nil { deadSince[node] = time }
    }

    /// Goes by `next` from now on, and forgets what it knows of members that are gone.
    func adopt(_ next: Topology) {
        // Invariant 10: a node never falls back to an earlier configuration.
        assert(next.epoch > topology.epoch, "epoch \(next.epoch) comes after \(topology.epoch)")
        let before = topology
        topology = next
        liveness = liveness.filter { next.member($0.key) != nil }
        deadSince = deadSince.filter { next.member($0.key) != nil }
        // One that joins may have been met before this node knew it.
        for member in before.members where next.member(member.number) == nil { changeTakers.remove(member.number) }
        stores.keepMembers(of: next)
        pendingNodes.dropMembers(of: next)
        ledger.turn(to: next)
        effects.append(.adopt(next))
        if before.plan?.id != next.plan?.id { ledger.resetRate() }
        if let plan = before.plan, plan.id != next.plan?.id {
            notice(.planEnded(id: plan.id, reason: plan.reason, isCancelled: plan.isCancelling))
        }
        if next.plan?.id != before.plan?.id, let status = ledger.status(of: next, isAlive: isAlive) {
            notice(.planBegan(status))
        }
    }
}
