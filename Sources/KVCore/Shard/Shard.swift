/// The decisions of one shard: the partitions that one event loop owns, and the requests of the clients connected to
/// it.
///
/// Requests of clients come through `submit` and end in `finished`; other inputs come through `handle`; what is to be
/// done about either gathers in `effects`. `flush` ends a tick: it is called once after every batch of inputs and sends
/// what the batch amounts to. Here the protocols meet: replication (what the replicas of a partition do) and routing
/// (what a node does for its clients) do not know each other.
package final class Shard {
    package let me: NodeNumber
    package let store: any RecordStore
    /// What the caller is to perform, in order; it empties the array.
    package var effects: [ShardEffect] {
        get { context.effects }
        set { context.effects = newValue }
    }

    /// Requests that `submit` took and that have ended, in order, each once; the caller empties the array.
    package var finished: [Request] {
        get { context.finished }
        set { context.finished = newValue }
    }

    let context: ReplicaContext
    /// Whether partitions have been split.
    var isCut: Bool
    private var lastSerial: UInt64 = 0
    /// The partitions of this shard, ascending. This node may hold no replica of some.
    package internal(set) var partitions: [PartitionID]
    /// Whether each partition is of this shard, by its number.
    var isOwn: [Bool]
    var topology: Topology {
        didSet { others = Self.others(than: me, in: topology) }
    }
    /// The other members, ascending.
    private(set) var others: [NodeNumber]
    /// The newest topology that this shard was given, where it splits partitions that the store has yet to divide.
    var awaited: Topology?
    /// Up to how many partitions the store has prepared splits.
    package internal(set) var preparedPartitions: Int
    /// By the number of the partition; nil where this node holds no replica, or another shard does.
    var replicas: [Replica?]
    /// The same without the gaps.
    var owned: [Replica]
    var router: Router<Replica>
    /// Messages of configurations that this node has yet to hear of.
    var early = EarlyMessages()
    /// Records that this node's disk has spoiled, and that other replicas are being asked for.
    var repairs = Repairs()
    /// Partitions that have left this node, and whose copies are still here.
    var departed: Set<PartitionID> = []
    var nextDrop: Instant
    private var timers = 0
    /// What this shard leads, as the other members are told.
    var leaderships: LeadershipList
    /// What this node's copies hold, and what of it has been reported.
    var figures: ShardFigures
    var lastHeartbeat: Instant
    /// The number of times that the members have been sent heartbeats.
    var heartbeats = 0
    /// Peers that attend to this node, and until when that counts.
    var attending: [NodeNumber: Instant] = [:]
    /// What the other shards of this node have said.
    var siblings = Siblings()
    /// The number of the node's shards, this one included.
    let shards: Int
    /// The version of this shard's list that the first shard may tell.
    var siblingsVersion: UInt64 = 0
    /// The peers whose support the first shard has been told is wanted.
    var toldWanted: [NodeNumber] = []
    /// When each peer was last asked for support.
    var askedSupport: [NodeNumber: Instant] = [:]
    /// The answers to nodes that want support, to which not all shards have contributed.
    var supportAnswers: [NodeNumber: GatheredSupport] = [:]
    /// True if a member may have come in touch that has not been told what this shard leads.
    var hasUntold = false
    private var hasDrained = false
    private var lastCondition = Condition(isStalled: false, acceptsWrites: true)

    /// What all replicas go by.
    private struct Condition: Equatable {
        var isStalled: Bool
        var acceptsWrites: Bool
    }

    /// - Parameters:
    ///   - boot: The boot counter of this process, above that of every process before it on this store.
    ///   - partitions: The partitions that this shard owns, perhaps the metadata quorum's among them. The shard serves
    ///     those whose replica set has `me`, and routes requests for all.
    ///   - index: The number of the shard among those of the node. Nil for that of its first partition, which is the
    ///     same where there is one.
    ///   - shards: The number of the node's shards.
    ///   - mayLackRecords: True if the store may have lost records that it had called durable, because the machine lost
    ///     power. This node's copies of clients' partitions then abstain until each has been repaired (invariant 14).
    ///     Promises, wipes and purge floors are all there.
    ///   - seed: The seed of the jitter in retries.
    package init(
        me: NodeNumber, boot: UInt64, topology: Topology, partitions: [PartitionID], index: Int? = nil,
        shards: Int = 1, store: any RecordStore, mayLackRecords: Bool = false, options: ShardOptions, seed: UInt64,
        now: Now
    ) {
        self.me = me
        self.shards = shards
        self.store = store
        let partitions = partitions.filter { topology.assignment(of: $0) != nil }.sorted()
        let shard = index ?? Int(partitions.first?.raw ?? 0)
        let context = ReplicaContext(
            me: me, boot: boot, shard: shard, store: store, options: options, slots: topology.slots,
            mayLackRecords: mayLackRecords, epoch: topology.epoch, now: now, seed: seed)
        var replicas: [Replica?] = Array(repeating: nil, count: topology.slots.limit)
        for partition in partitions {
            guard let assignment = topology.assignment(of: partition) else {
                assertionFailure("partitions that the topology lacks have been left out")
                continue
            }
            replicas[Int(partition.raw)] = Replica(partition: partition, assignment: assignment, context: context)
            if replicas[Int(partition.raw)] == nil, store.membership(partition) != 0 { departed.insert(partition) }
        }
        context.isMovingPaused = topology.plan?.isPaused ?? false
        context.pace = HeartbeatPace(members: topology.members.count)
        self.context = context
        isCut = topology.slots.count > topology.slots.founding
        self.partitions = partitions
        isOwn = replicas.indices.map(Set(partitions.map { Int($0.raw) }).contains)
        self.topology = topology
        others = Self.others(than: me, in: topology)
        preparedPartitions = topology.slots.count
        self.replicas = replicas
        owned = replicas.compactMap { $0 }
        context.rests.restart(owned)
        router = Router(context: context, topology: topology, boot: boot, shard: shard)
        leaderships = LeadershipList(shard: shard, boot: boot)
        figures = ShardFigures(topology.slots)
        lastHeartbeat = now.monotonic
        nextDrop = now.monotonic
        context.resized = partitions
        for replica in owned { topology.assignment(of: replica.partition).map { noteMove(of: replica.partition, $0) } }
    }

    private static func others(than me: NodeNumber, in topology: Topology) -> [NodeNumber] {
        topology.members.map(\.number).filter { $0 != me }
    }

    /// The replica of a partition, for something to happen to it: its timer is called from now on.
    func replica(_ partition: PartitionID) -> Replica? {
        guard let replica = restingReplica(partition) else { return nil }
        replica.wake()
        return replica
    }

    /// The replica of a partition, to be looked at only.
    func restingReplica(_ partition: PartitionID) -> Replica? {
        Int(partition.raw) < replicas.count ? replicas[Int(partition.raw)] : nil
    }

    /// Who leads a partition, as far as this node knows.
    package func leader(of partition: PartitionID) -> NodeNumber? {
        guard let replica = restingReplica(partition) else {
            return Int(partition.raw) < replicas.count ? router.hint(for: partition) : nil
        }
        if replica.leader != nil { return me }
        return replica.leaderHint.flatMap { context.isUp($0) ? $0 : nil }
    }

    /// How many of the partitions held here may lack records that this node has acknowledged, and abstain.
    package var incompletePartitions: Int { context.incompletePartitions }

    /// Whether this node leads the partition, and its copy is known to be the truth (invariant 5).
    package func isSettled(_ partition: PartitionID) -> Bool { restingReplica(partition)?.leader?.isSettled ?? false }

    /// Requests that have not been answered yet.
    package var pendingRequests: Int { context.underWay }

    package func handle(_ input: ShardInput, now: Now) {
        context.now = now
        // Invariant 7: only what is durable is told, so the store must not promise more than it was given.
        assert(store.synced <= store.durable && store.durable <= store.appended, "a store says what it has on disk")
        switch input {
        case .message(let node, let message): receive(message, from: node)
        case .reading(let node): reading(from: node)
        case .durable: drainDurable()
        case .loaded(let ticket, let value): loaded(ticket, value)
        case .repair(let damaged): repair(damaged)
        case .peer(let node, let condition): peer(node, condition)
        case .attention(let node, let isAttended): attend(node, isAttended)
        case .sibling(let message): receive(message)
        case .reads(let mode): context.leases.mode = mode
        case .timer: timer()
        case .drain:
            context.isDraining = true
            wakeAll()
        case .topology(let topology): adopt(topology, now: now)
        }
        routeTurnedAway()
    }

    /// Takes a request of a client of this node. Where it has ended when this returns, that is all; otherwise it comes
    /// out of `finished`, once.
    package func submit(_ request: Request, now: Now) {
        assert(request.stage == .begun, "a request is submitted once")
        context.now = now
        locate(request)
        let replica = replica(request.partition)
        if case .get = request.command, let outcome = replica?.answerAtOnce(request) {
            return request.end(outcome, by: me)
        }
        guard Int(request.partition.raw) < replicas.count else { return request.end(.refused(.noReplica), by: me) }
        guard context.underWay < context.options.maximumRequests else {
            return request.end(.refused(.overloaded), by: me)
        }
        context.submitting = request
        begin(request)
        context.underWay += 1
        router.begin(request, replica)
        routeTurnedAway()
        context.submitting = nil
    }

    func begin(_ request: Request) {
        assert(request.stage == .begun, "a request is submitted once")
        lastSerial += 1
        request.serial = lastSerial
        request.beginTime(at: context.now.monotonic)
        context.deadlines.insert(request)
    }

}

// MARK: - Inputs

extension Shard {
    func drainDurable() {
        while let action = context.nextDurable() {
            switch action {
            case .acknowledge(let node, let header, let version):
                context.send(node, .replica(header, .accepted(version: version)))
            case .send(let node, let message): context.send(node, message)
            // Late where the partition has left this node, or the ballot has been overruled.
            case .promised(let partition, let ballot): replica(partition)?.ownPromiseIsDurable(ballot)
            case .accepted(let partition, let ballot, let sequence):
                replica(partition)?.ownAcceptIsDurable(ballot, sequence: sequence)
            case .ownQuorumRead(let request, let record):
                router.receiveQuorumReadReply(request, record, from: me, replica)
            case .noQuorumRead(let request): router.cannotQuorumReadHere(request, replica)
            }
        }
    }

    private func loaded(_ ticket: ReadTicket, _ value: LoadedValue) {
        switch context.takeLoad(ticket) {
        case nil: assertionFailure("a read that was asked for comes back once")
        // In all other cases the partition may have left this node meanwhile.
        case .answer(let partition, let ballot, let id): replica(partition)?.loadedAnswer(ballot, id: id, value)
        case .evaluate(let partition, let ballot, let key, let id):
            replica(partition)?.loadedToEvaluate(ballot, key, id: id, value)
        case .propose(let partition, let ballot, let key): replica(partition)?.loadedToPropose(ballot, key, value)
        case .repair(let partition, let ballot, let node, let key, let bytes):
            context.repairLoads[node, default: 0] -= bytes
            replica(partition)?.loadedToRepair(ballot, to: node, key, value)
        case .readResult(let header, let id, let key, let node):
            guard let record = tellable(value) else { return }
            replica(header.partition)?
                .answerWhenDurable(node, .replica(header, .readResult(id: id, key: key, record: record)))
        case .quorumReadReply(let id, let partition, let node):
            guard let record = tellable(value) else { return }
            replica(partition)?.answerWhenDurable(node, .reply(id, .quorumReadReply(record)))
        case .ownQuorumRead(let request):
            guard let record = tellable(value) else { return router.cannotQuorumReadHere(request, replica) }
            replica(request.partition)?.whenDurable(.ownQuorumRead(request, record))
        }
    }

    /// The record that others may be told of after a read from disk. Nil where the read does not say what the copy
    /// holds: nobody is told anything then, because "absent" would count as a proof that nothing was chosen.
    private func tellable(_ value: LoadedValue) -> Record?? {
        switch value {
        case .record(let record): return .some(record)
        case .gone, .damaged:
            context.decide(.rememberDamaged)
            return context.breaks(.rememberDamaged) ? .some(nil) : nil
        }
    }

    private func peer(_ node: NodeNumber, _ condition: PeerCondition) {
        switch condition {
        case .up(let boot, let relays):
            if let known = context.up[node] {
                // The same process as before: nothing is new.
                guard known.boot != boot else { return }
                // Another process: whatever the old one was asked is cut off.
                peer(node, .down)
            }
            wakeAll()
            let last = context.setUp(node, boot: boot, relays: relays)
            leadershipsConcern(node)
            for replica in owned { replica.peerCameUp(node, boot: boot, last: last) }
        case .down:
            wakeAll()
            context.setDown(node)
            leadershipsConcern(node)
            for replica in owned { replica.peerWentDown(node) }
            routeTurnedAway()
            router.peerWentDown(node, replica)
        }
    }

    private func timer() {
        timers += 1
        context.watchDisk()
        let condition = Condition(isStalled: context.disk.isStalled, acceptsWrites: store.acceptsWrites)
        if condition != lastCondition { wakeAll() }
        lastCondition = condition
        prepareSplits()
        continueListings()
        sweepExpired()
        // In the order in which they asked, so that one is done before the next.
        for partition in context.allowMoves() { replica(partition)?.continueMoving() }
        context.hedged.removeAll { !(replica($0)?.hedge() ?? false) }
        visitReplicas()
        drainDurable()
        routeTurnedAway()
        router.timer(replica)
        tellLeaderships()
        askForSupport()
        for id in repairs.expire(at: context.now.monotonic, context.options) { context.pursued.remove(id) }
        if context.now.monotonic >= nextDrop {
            nextDrop = context.now.monotonic + context.options.dropReplica
            dropReplica()
        }
        reportDrained()
    }

    /// Calls the timers of a part of the replicas: of those for which there is something to do.
    private func visitReplicas() {
        let now = context.now.monotonic
        for partition in context.listings.grownStale(at: now, overdue: context.overdue) {
            restingReplica(partition)?.wake()
        }
        for place in context.rests.due(round: timers, at: now) {
            let replica = owned[place]
            replica.wake()
            replica.timer()
            context.rests.begin(place, until: replica.restsUntil)
        }
        context.rests.visited(round: timers, at: now)
    }

    /// Something happens to all replicas.
    func wakeAll() { for replica in owned { replica.wake() } }

    /// Goes on with the listings under way, the oldest first.
    private func continueListings() {
        context.listingBudget = context.options.listingSlice
        let listing = context.listing
        for (index, partition) in listing.enumerated() {
            guard let replica = replica(partition) else {
                context.noteListingEnded(partition)
                continue
            }
            if listing.count - index > context.options.listedPartitions { replica.leader?.listings.dropWindows() }
            replica.continueListings()
        }
    }

    private func reportDrained() {
        guard context.isDraining, !hasDrained else { return }
        let isNeeded = owned.contains { replica in
            replica.leader != nil && replica.successor != nil
        }
        guard !isNeeded else { return }
        hasDrained = true
        context.effects.append(.notice(.drained))
    }
}

extension Replica: LocalReplica {
    var takesRequests: Bool { leader != nil || candidate != nil }
    var leads: Bool { leader != nil }
    var isPreVoting: Bool { candidate?.phase == .preVoting }
}
