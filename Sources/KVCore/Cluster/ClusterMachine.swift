/// A node's part in membership. It keeps the topology, remembers the nodes that wait to be admitted, and reports on the
/// partitions it leads. While it leads the metadata quorum's partition it is the coordinator, which alone changes the
/// topology.
///
/// There is one in a process. Inputs come through `handle`; what is to be done about them gathers in `effects`. It is
/// pure: it knows no clock, no disk, no network, and no bytes of a topology. Its parts, one a file: `TopologyStore`
/// (adopting), `Coordinator` (changing), with `TopologyDraft`, `ChangeReview` and `EvictionWatch`; `ForwardedControls`
/// (asking the coordinator); `RebalanceProgress`, `PendingNodeList` and `StoreRegistry` (what it has heard).
package struct ClusterMachine {
    package let me: NodeNumber
    /// What the caller is to perform, in order; it empties the array.
    package var effects: [ClusterEffect] {
        get { context.effects }
        set { context.effects = newValue }
    }

    private let context: ClusterContext
    private var topologyStore: TopologyStore
    private var coordinator: Coordinator
    private var forwardedControls: ForwardedControls

    /// - Parameters:
    ///   - boot: this process's boot counter.
    ///   - store: the id of this node's data directory.
    ///   - addresses: where this node is to be reached by its configuration.
    ///   - topology: the latest on disk, or the first; it is sound (`Topology.flaw`).
    ///   - seed: decides the jitter in retries.
    package init(
        me: NodeNumber, boot: UInt64, store: UUID128, addresses: NodeAddresses? = nil, topology: Topology,
        options: ClusterOptions, coding: TopologyCoding, seed: UInt64, now: Now
    ) {
        self.me = me
        context = ClusterContext(
            me: me, store: store, addresses: addresses, topology: topology, options: options, coding: coding,
            seed: seed, now: now)
        topologyStore = TopologyStore(context: context)
        coordinator = Coordinator(context: context, boot: boot)
        forwardedControls = ForwardedControls(context: context)
    }

    /// The topology that this node goes by.
    package var topology: Topology { context.topology }

    /// The nodes that wait to be admitted, as far as this node has heard, sorted by id.
    package var pendingNodes: [PendingNode] { context.pendingNodes.all }

    /// The plan under way, as far as this node knows: only the metadata quorum hears how its moves stand.
    package func planStatus() -> PlanStatus? {
        context.ledger.status(of: context.topology, isAlive: context.isAlive)
    }

    /// How the moves under way stand, as far as this node has heard, by partition.
    package var lastMoves: [MoveReport] { context.ledger.moves }

    package mutating func handle(_ input: ClusterInput, now: Now) {
        context.now = now
        switch input {
        case .message(let node, let message): receive(message, from: node)
        case .epochSeen(let epoch, let node): topologyStore.see(epoch, at: node)
        case .liveness(let node, let status):
            context.setLiveness(of: node, status)
            if status == .dead { forwardedControls.died(node) }
        case .storeSeen(let node, let store, let takesChanges):
            context.setTakesChanges(node, takesChanges)
            see(store, of: node)
        case .linked(let node, let epoch): topologyStore.linked(node, above: epoch)
        case .leading(let isLeading): if isLeading { beginToLead() } else { stopLeading() }
        case .report(let report):
            context.ledger.note(report, in: context.topology, now: context.time)
            tellMetadataQuorum(.report(report))
        case .prepared(let partitions):
            context.ledger.note(prepared: partitions, by: me)
            tellMetadataQuorum(.prepared(partitions: partitions))
        case .outcome(let id, let outcome):
            if let topology = coordinator.end(id, outcome) { topologyStore.announce(topology) }
        case .persisted(let epoch): topologyStore.persisted(epoch)
        case .control(let id, let request, let deadline): control(id, request, deadline)
        case .timer: timer()
        }
        coordinator.advance()
    }

    private mutating func receive(_ message: ClusterMessage, from node: NodeNumber) {
        switch message {
        case .announce(let pendingNode): hear(pendingNode, from: node)
        // From here on, members only: a pending node knows no topology and asks nothing.
        case _ where node.raw == 0: break
        case .topologyWanted(let epoch): topologyStore.answer(node, above: epoch)
        case .topology(let topology): topologyStore.learn(topology)
        case .topologyChanges(let changes): topologyStore.learn(changes, from: node)
        case .report(let report):
            // It is from a node that is no member here: no longer, or not yet.
            guard context.topology.member(node) != nil else { return }
            see(report.store, of: node)
            context.ledger.note(report, in: context.topology, now: context.time)
        case .prepared(let partitions):
            // As with reports.
            guard context.topology.member(node) != nil else { return }
            context.ledger.note(prepared: partitions, by: node)
        case .control(let id, let request):
            guard coordinator.isLeading else {
                let hint = forwardedControls.coordinator
                return context.send(node, .controlReply(id, .notCoordinator(hint: hint == node ? nil : hint)))
            }
            let deadline = context.time + context.options.askTimeout
            coordinator.take(PendingControl(origin: .remote(node, id), request: request, deadline: deadline))
        case .controlReply(let id, let reply): forwardedControls.receiveReply(id, reply, by: node)
        }
    }

    /// Takes an announcement. A pending node speaks to some members only; they pass it on to the rest.
    private func hear(_ pendingNode: PendingNode, from node: NodeNumber) {
        // Refused: it is not sound, late, a member's, or one too many.
        guard let isNew = context.pendingNodes.hear(pendingNode, now: context.time, in: context.topology) else {
            return
        }
        if isNew { context.notice(.applied(pendingNode)) }
        // A member has passed it on, and has told the others too.
        guard node.raw == 0 else { return }
        for member in context.topology.members where member.number != me {
            context.send(member.number, .announce(pendingNode))
        }
    }

    private func see(_ store: UUID128, of node: NodeNumber) {
        if context.stores.see(node, store, in: context.topology, now: context.time) {
            context.notice(.foreignStore(node, store))
        }
    }

    private func tellMetadataQuorum(_ message: ClusterMessage) {
        for node in context.topology.metadataQuorum.members where node != me { context.send(node, message) }
    }

    private mutating func control(_ id: RequestID, _ request: ControlRequest, _ deadline: Instant) {
        let ask = PendingControl(origin: .local(id), request: request, deadline: deadline)
        if case .split = request, let refusal = context.refusalToSplit {
            context.answer(ask, refusal.reply)
        } else if coordinator.isLeading {
            coordinator.take(ask)
        } else if forwardedControls.count >= context.options.maximumControls {
            context.answer(ask, ControlFailure.tooMany(forwardedControls.count).reply)
        } else {
            forwardedControls.begin(id, request, deadline: deadline)
        }
    }

    private mutating func beginToLead() {
        // The shard says so again, for another ballot.
        guard !coordinator.isLeading else { return }
        coordinator.begin()
        for ask in forwardedControls.withdraw() { coordinator.take(ask) }
    }

    private mutating func stopLeading() {
        // It led, but never knew its copy to be the truth.
        guard coordinator.isLeading else { return }
        forwardedControls.forgetCoordinator()
        for ask in coordinator.stop() {
            switch ask.origin {
            case .local(let id): forwardedControls.begin(id, ask.request, deadline: ask.deadline)
            case .remote: context.answer(ask, .notCoordinator(hint: nil))
            }
        }
    }

    private mutating func timer() {
        topologyStore.timer()
        forwardedControls.timer()
        coordinator.timer()
        context.pendingNodes.dropSilent(now: context.time)
        context.ledger.sample(now: context.time)
    }
}

/// The addresses at which a node is reached.
package struct NodeAddresses: Hashable, Sendable {
    package var client: Address
    package var peer: Address

    package init(client: Address, peer: Address) {
        self.client = client
        self.peer = peer
    }
}
