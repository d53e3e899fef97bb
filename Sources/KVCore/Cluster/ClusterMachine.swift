/// A node's part in membership: it keeps the topology, remembers who waits to be admitted, reports on what it leads,
/// and while it leads the council's partition it is the coordinator, which alone changes the topology.
///
/// One a process. Inputs come through `handle`; what is to be done about them gathers in `effects`. Pure: it knows no
/// clock, no disk, no network, and no bytes of a topology. Its parts, one a file: `Keeper` (adopting), `Coordinator`
/// (changing), with `TopologyDraft`, `ChangeReview` and `EvictionWatch`; `Inquiries` (asking the coordinator);
/// `MoveLedger`, `ApplicantList` and `StoreBook` (what it has heard).
package struct ClusterMachine {
    package let me: NodeNumber
    /// What the caller is to perform, in order; it empties the array.
    package var effects: [ClusterEffect] {
        get { context.effects }
        set { context.effects = newValue }
    }

    private let context: ClusterContext
    private var keeper: Keeper
    private var coordinator: Coordinator
    private var inquiries: Inquiries

    /// - Parameters:
    ///   - boot: this process's boot counter.
    ///   - store: this node's data directory.
    ///   - addresses: where this node is to be reached by its configuration.
    ///   - topology: the latest on disk, or the first; it is sound (`Topology.flaw`).
    ///   - seed: of the jitter in retries.
    package init(
        me: NodeNumber, boot: UInt64, store: UUID128, addresses: NodeAddresses? = nil, topology: Topology,
        options: ClusterOptions, coding: TopologyCoding, seed: UInt64, now: Now
    ) {
        self.me = me
        context = ClusterContext(
            me: me, store: store, addresses: addresses, topology: topology, options: options, coding: coding,
            seed: seed, now: now)
        keeper = Keeper(context: context)
        coordinator = Coordinator(context: context, boot: boot)
        inquiries = Inquiries(context: context)
    }

    /// What this node goes by.
    package var topology: Topology { context.topology }

    /// Who waits to be admitted, as far as this node has heard, by id.
    package var applicants: [Applicant] { context.applicants.all }

    /// The plan under way, as far as this node knows: only the council hears how its moves stand.
    package func planStatus() -> PlanStatus? {
        context.ledger.status(of: context.topology, isAlive: context.isAlive)
    }

    /// How the moves under way stand, as far as this node has heard, by partition.
    package var lastMoves: [MoveReport] { context.ledger.moves }

    package mutating func handle(_ input: ClusterInput, now: Now) {
        context.now = now
        switch input {
        case .message(let node, let message): receive(message, from: node)
        case .epochSeen(let epoch, let node): keeper.see(epoch, at: node)
        case .liveness(let node, let opinion):
            context.setLiveness(of: node, opinion)
            if opinion == .dead { inquiries.died(node) }
        case .storeSeen(let node, let store): see(store, of: node)
        case .leading(let isLeading): if isLeading { beginToLead() } else { stopLeading() }
        case .report(let report): pass(report)
        case .outcome(let id, let outcome):
            if let topology = coordinator.end(id, outcome) {
                keeper.broadcast(topology)
                keeper.learn(topology)
            }
        case .persisted(let epoch): keeper.persisted(epoch)
        case .control(let id, let request, let deadline): control(id, request, deadline)
        case .timer: timer()
        }
        coordinator.advance()
    }

    private mutating func receive(_ message: ClusterMessage, from node: NodeNumber) {
        switch message {
        case .announce(let applicant): hear(applicant, from: node)
        // From here on, members only: an applicant knows no topology and asks nothing.
        case _ where node.raw == 0: break
        case .topologyWanted(let epoch): keeper.answer(node, above: epoch)
        case .topology(let topology): keeper.learn(topology)
        case .report(let report):
            guard context.topology.member(node) != nil else { return }
            see(report.store, of: node)
            context.ledger.note(report, in: context.topology, now: context.time)
        case .ask(let id, let request):
            guard coordinator.isLeading else {
                let hint = inquiries.coordinator
                return context.send(node, .told(id, .notCoordinator(hint: hint == node ? nil : hint)))
            }
            let deadline = context.time + context.options.askTimeout
            coordinator.take(Ask(origin: .remote(node, id), request: request, deadline: deadline))
        case .told(let id, let reply): inquiries.told(id, reply, by: node)
        }
    }

    /// An applicant speaks to some members only; they pass it on to the rest.
    private func hear(_ applicant: Applicant, from node: NodeNumber) {
        guard let isNew = context.applicants.hear(applicant, now: context.time, in: context.topology) else { return }
        if isNew { context.notice(.applied(applicant)) }
        guard node.raw == 0 else { return }
        for member in context.topology.members where member.number != me {
            context.send(member.number, .announce(applicant))
        }
    }

    private func see(_ store: UUID128, of node: NodeNumber) {
        if context.stores.see(node, store, in: context.topology, now: context.time) {
            context.notice(.foreignStore(node, store))
        }
    }

    private func pass(_ report: NodeReport) {
        context.ledger.note(report, in: context.topology, now: context.time)
        for node in context.topology.council.members where node != me { context.send(node, .report(report)) }
    }

    private mutating func control(_ id: RequestID, _ request: ControlRequest, _ deadline: Instant) {
        let ask = Ask(origin: .local(id), request: request, deadline: deadline)
        if coordinator.isLeading {
            coordinator.take(ask)
        } else if inquiries.count >= context.options.maximumControls {
            context.answer(ask, ControlFailure.tooMany(inquiries.count).reply)
        } else {
            inquiries.begin(id, request, deadline: deadline)
        }
    }

    private mutating func beginToLead() {
        guard !coordinator.isLeading else { return }
        coordinator.begin()
        for ask in inquiries.withdraw() { coordinator.take(ask) }
    }

    private mutating func stopLeading() {
        guard coordinator.isLeading else { return }
        inquiries.forgetCoordinator()
        for ask in coordinator.stop() {
            switch ask.origin {
            case .local(let id): inquiries.begin(id, ask.request, deadline: ask.deadline)
            case .remote: context.answer(ask, .notCoordinator(hint: nil))
            }
        }
    }

    private mutating func timer() {
        keeper.timer()
        inquiries.timer()
        coordinator.timer()
        context.applicants.dropSilent(now: context.time)
        context.ledger.sample(now: context.time)
    }
}

/// Where others reach a node.
package struct NodeAddresses: Hashable, Sendable {
    package var client: Address
    package var peer: Address

    package init(client: Address, peer: Address) {
        self.client = client
        self.peer = peer
    }
}
