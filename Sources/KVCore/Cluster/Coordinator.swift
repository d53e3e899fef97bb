/// The work of the leader of the metadata quorum's partition. It reads the topology's register, and then changes it,
/// one change at a time, each under the condition that the register is as it was read. So however many nodes believe
/// that they lead, the topologies that are chosen form one line (invariant 10); and a node that loses the lead leaves
/// nothing behind but the register.
struct Coordinator {
    /// What the coordinator knows of the register.
    private enum Phase {
        case notLeading
        /// Something went wrong a moment ago. It is to be read again then.
        case resting(until: Instant)
        case reading(UInt64)
        /// It holds the topology of `epoch` under this version; nil where it is still empty, at the first epoch.
        case ready(Version?, epoch: Epoch)
        case writing(UInt64, ProposedTopology)
    }

    let context: ClusterContext
    private var phase = Phase.notLeading
    /// Requests that have not been begun.
    private var queue: [PendingControl] = []
    /// A change whose outcome is unknown. The next read may tell.
    private var doubt: ProposedTopology?
    private var lastRequest: UInt64
    private var hasComplained = false
    private var lastLook: Instant
    /// When the register was read or written last.
    private var lastKnown: Instant
    var evictions = EvictionWatch()

    /// - Parameter boot: makes the numbers of its requests differ from those of earlier processes.
    init(context: ClusterContext, boot: UInt64) {
        self.context = context
        lastRequest = boot << 32
        lastLook = context.time
        lastKnown = context.time
    }

    var isLeading: Bool { if case .notLeading = phase { false } else { true } }

    // MARK: - Leading

    mutating func begin() {
        assert(!isLeading, "whoever begins to lead did not lead before")
        evictions.begin()
        hasComplained = false
        read()
    }

    /// Gives the lead up. Returns the requests that have not been begun, to be asked elsewhere.
    mutating func stop() -> [PendingControl] {
        if case .writing(_, let proposal) = phase { answer(proposal.asks, .unknown) }
        resolveDoubt(by: nil)
        phase = .notLeading
        defer { queue = [] }
        return queue
    }

    /// Takes a request, to be carried out in its turn.
    mutating func take(_ ask: PendingControl) {
        assert(isLeading, "requests are forwarded to whoever leads")
        guard queue.count < context.options.maximumControls else {
            return context.answer(ask, ControlFailure.tooMany(queue.count).reply)
        }
        queue.append(ask)
    }

    /// Refuses requests that have waited too long without having been begun, and ends those in doubt as unknown.
    mutating func timer() {
        let doubted = doubt?.asks.filter { context.time >= $0.deadline } ?? []
        doubt?.asks.removeAll { context.time >= $0.deadline }
        answer(doubted, .unknown)
        let late = queue.filter { context.time >= $0.deadline }
        guard !late.isEmpty else { return }
        queue.removeAll { context.time >= $0.deadline }
        let message =
            "the coordinator could not reach a majority of the metadata quorum in time, nothing was changed: see "
            + "that a majority of it is up (kv ring), then ask again"
        answer(late, .refused(.noCoordinator, message))
    }

    // MARK: - The register

    private mutating func request(_ command: Command) -> UInt64 {
        lastRequest += 1
        context.effects.append(.request(lastRequest, command))
        return lastRequest
    }

    private mutating func read() { phase = .reading(request(.get)) }

    private mutating func rest() {
        let span = context.options.retry.nanoseconds / 2
        let jitter = context.random.next(upperBound: max(span, 1))
        phase = .resting(until: context.time + Nanoseconds(nanoseconds: span + jitter))
    }

    /// A request of the register has ended. Returns a topology that is now known to be chosen, if it may be news.
    mutating func end(_ id: UInt64, _ outcome: Outcome) -> Topology? {
        lastKnown = context.time
        switch phase {
        case .reading(id): return hasRead(outcome)
        case .writing(id, let proposal): return hasWritten(proposal, outcome)
        // Late: the lead has been lost since, and perhaps won again.
        default: return nil
        }
    }

    private mutating func hasRead(_ outcome: Outcome) -> Topology? {
        switch outcome {
        case .found(let record):
            guard let topology = record.value.flatMap(context.coding.decode), topology.flaw == nil,
                topology.clusterID == context.topology.clusterID
            else {
                complain(
                    "its record \(record.version) is no topology of this cluster: if newer software wrote it, run that here"
                )
                break
            }
            guard topology.epoch >= context.topology.epoch else {
                // A recovery does not ask the register, which begins anew with the result.
                if context.topology.isRecovery { return replace(record.version) }
                // This was read before a later topology was adopted: it must be read again.
                break
            }
            resolveDoubt(by: topology)
            phase = .ready(record.version, epoch: topology.epoch)
            return topology.epoch > context.topology.epoch ? topology : nil
        case .absent where context.topology.epoch == 1:
            resolveDoubt(by: nil)
            phase = .ready(nil, epoch: 1)
            return nil
        case .absent where context.topology.isRecovery: return replace(nil)
        case .absent:
            complain(
                "it is empty, although this node goes by epoch \(context.topology.epoch): a majority of the metadata "
                    + "quorum has lost its data")
        // The read was refused, or nobody knows.
        default: break
        }
        rest()
        return nil
    }

    /// Writes the topology that this node goes by into the register, in place of what was read there.
    private mutating func replace(_ version: Version?) -> Topology? {
        resolveDoubt(by: nil)
        phase = .ready(version, epoch: context.topology.epoch)
        propose(context.topology)
        return nil
    }

    private mutating func complain(_ reason: String) {
        guard !hasComplained else { return }
        hasComplained = true
        context.notice(.registerUnusable(reason))
    }

    private mutating func hasWritten(_ proposal: ProposedTopology, _ outcome: Outcome) -> Topology? {
        switch outcome {
        case .written(let version):
            phase = .ready(version, epoch: proposal.topology.epoch)
            succeed(proposal)
            return proposal.topology
        case .unknown:
            doubt = proposal
            read()
        case .refused:
            queue = proposal.asks + queue
            rest()
        default:
            // Somebody else has changed it.
            queue = proposal.asks + queue
            read()
        }
        return nil
    }

    private mutating func resolveDoubt(by topology: Topology?) {
        guard let proposal = doubt else { return }
        doubt = nil
        if topology == proposal.topology { succeed(proposal) } else { answer(proposal.asks, .unknown) }
    }

    private func succeed(_ proposal: ProposedTopology) {
        // Most changes were asked for by nobody, and the status is of all partitions.
        if !proposal.asks.isEmpty {
            answer(proposal.asks, .plan(context.ledger.status(of: proposal.topology, isAlive: context.isAlive)))
        }
        for node in proposal.evicted { context.notice(.evicting(node)) }
    }

    private mutating func propose(_ topology: Topology, asks: [PendingControl] = [], evicted: [NodeNumber] = []) {
        guard case .ready(let version, let epoch) = phase else {
            assertionFailure("a change is proposed only while the register is known")
            return queue = asks + queue
        }
        // Invariant 10: the topologies that are chosen form one line.
        assert(
            topology.epoch == epoch + 1 || topology == context.topology,
            "epoch \(topology.epoch) is proposed after \(epoch)")
        if let flaw = topology.flaw {
            // A topology that others would not take must not be chosen.
            answer(asks, .refused(.impossible, "the topology that this would give is not sound: \(flaw)"))
            return rest()
        }
        let condition = version.map { Condition.ifVersion($0) } ?? .ifAbsent
        // Any member of the metadata quorum may be the next to read it.
        let isNewest = topology.members.allSatisfy { context.takesChanges($0.number) }
        let put = Put(value: context.coding.encode(topology, isNewest), condition: condition)
        phase = .writing(request(.put(put)), ProposedTopology(topology: topology, asks: asks, evicted: evicted))
    }

    // MARK: - Changes

    /// Takes the next step, if there is one to take now.
    mutating func advance() {
        switch phase {
        case .notLeading, .reading, .writing: return
        case .resting(let time):
            if context.time >= time { read() }
        case .ready(_, let epoch):
            // Where another coordinator has gone on, its change is read. The register is read now and then as well, for
            // changes whose outcome nobody was told.
            guard epoch >= context.topology.epoch, context.time - lastKnown < context.options.reread else {
                return read()
            }
            // A topology that was chosen is adopted first.
            guard epoch == context.topology.epoch, context.topology.metadataQuorum.members.contains(context.me) else {
                return
            }
            while case .ready = phase, !queue.isEmpty { perform(queue.removeFirst()) }
            guard case .ready = phase, context.time - lastLook >= context.options.interval(context.topology.plan) else {
                return
            }
            lastLook = context.time
            keepUp()
        }
    }

    private mutating func perform(_ ask: PendingControl) {
        do throws(ControlFailure) {
            guard let draft = try draft(for: ask.request) else {
                return answer([ask], .plan(context.ledger.status(of: context.topology, isAlive: context.isAlive)))
            }
            if ask.request.isDryRun {
                return answer([ask], .plan(context.ledger.status(of: draft.topology, isAlive: context.isAlive)))
            }
            propose(draft.topology, asks: [ask])
        } catch {
            answer([ask], error.reply)
        }
    }

    /// Makes the changes that need no operator: stores, moves, the metadata quorum, joining nodes that admit
    /// themselves, the eviction of the dead.
    private mutating func keepUp() {
        var draft = TopologyDraft(after: context.topology)
        draft.record(
            context.stores.unrecorded(in: context.topology, now: context.time, gather: context.options.gather))
        draft.move(context.me, to: context.addresses)
        draft.complete(ledger: context.ledger)
        draft.takeBack(isDead: context.isDead, isAway: context.isAway)
        draft.redirect(ledger: context.ledger, isAway: context.isAway)
        draft.split(options: context.options, ledger: context.ledger, isDead: context.isDead)
        draft.start(options: context.options, ledger: context.ledger, isAlive: context.isAlive)
        draft.moveMetadataQuorum(ledger: context.ledger, isDead: context.isDead)
        let evicted = evictions.due(context)
        if !evicted.isEmpty {
            evict(evicted, &draft)
        } else if context.topology.plan == nil {
            admitPendingNodes(&draft)
        } else {
            draft.finish(
                maximumRemoved: context.options.maximumRemoved, ledger: context.ledger, isDead: context.isDead)
        }
        if draft.isChanged { propose(draft.topology, evicted: evicted) }
    }

    private func answer(_ asks: [PendingControl], _ reply: ControlReply) {
        for ask in asks { context.answer(ask, reply) }
    }
}
