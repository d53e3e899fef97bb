import DequeModule

/// The state that the replicas of one shard share in addition to `Environment`: the store, the actions that wait for
/// it, and the counters that limits apply to.
final class ReplicaContext: Environment {
    let store: any RecordStore
    /// Partitions with something to send at the end of this tick.
    var dirty: [PartitionID] = []
    /// The purpose of each read from disk under way.
    private var loads: [ReadTicket: LoadPurpose] = [:]
    /// Leadership transfers under way, and comparisons of hash trees under way with each peer. `ShardOptions` limits
    /// both.
    var transfers = 0
    var comparisons: [NodeNumber: Int] = [:]
    /// Bytes of the proposals that leaders keep; limited by `ShardOptions.maximumProposedBytes`.
    var proposedBytes = 0
    /// The number of changes that this node's leaders have taken over from its earlier leaderships.
    var reproposedChanges = 0
    /// How often each rule has decided something. The simulator prints it.
    private(set) var decided = RuleCounts()
    /// Bytes of repaired records on their way to each lagging peer.
    var repairing: [NodeNumber: Int] = [:]
    /// Bytes of records that are being read from disk to repair each peer. They count until they have been read, even
    /// if the leader that asked for them has stepped down.
    var repairLoads: [NodeNumber: Int] = [:]
    /// The window of each peer.
    private var windows: [NodeNumber: PeerWindow] = [:]
    /// The state of the store's disk: whether it answers.
    private(set) var disk = DiskWatch()
    /// The slots of the partitions by the shard's topology.
    var slots: SlotMap
    /// True if the store may have lost records that it had reported as durable.
    let mayLackRecords: Bool
    /// The number of incomplete copies.
    var incompletePartitions = 0
    /// True if the plan that moves partitions is paused.
    var isMovingPaused = false
    private var moveBudget: MoveBudget
    /// Partitions with records to send to joining nodes once `mayMove` is true again, in the order in which they were
    /// added.
    var throttled: [PartitionID] = []

    /// What other nodes say that they lead.
    var listings: ListedLeaderships
    /// Partitions whose lead has begun or ended here since the other nodes were told last, or may concern them for
    /// another reason.
    private var leadsNoted: Set<PartitionID> = []

    /// Partitions whose leaders have listings under way or keep windows of them. The last one that began a walk comes
    /// last.
    private(set) var listing: [PartitionID] = []
    /// The number of keys that listings may still look at before the next timer.
    var listingBudget: Int

    /// When to look for expired records, and in which partitions.
    var expiries = ExpirySchedule()
    /// The number of expired records that may still be replaced by tombstones before the next timer.
    var expiryBudget: Int

    /// Partitions led here that wait for a confirmation from the smallest majority only. If it does not come in time,
    /// the other replicas are asked as well.
    var hedged: [PartitionID] = []
    /// Peers that were late with a confirmation, and until when they are not counted on for one.
    private var late: [NodeNumber: Instant] = [:]

    /// The support that this shard gives and is given.
    var leases: Leases
    /// The number of times that the clock was looked at for leases: once in each flush, at its beginning.
    var look: UInt64 = 0
    /// Partitions with reads that were looked up after the last look at the clock.
    private(set) var unlooked: [PartitionID] = []

    /// Actions that rest on durable records only, in the order in which they were added.
    private var ready: Deque<DeferredAction> = []
    /// Actions that wait for records to be durable, in the order of the store's log.
    private var deferred: Deque<(position: LogPosition, action: DeferredAction)> = []
    /// Actions that also wait for a sync. They have a queue of their own because a sync can take long, and actions of
    /// other partitions must not wait behind them.
    private var unsynced: Deque<(position: LogPosition, synced: LogPosition, action: DeferredAction)> = []
    /// Bytes of the answers in `deferred` and `unsynced`.
    private var deferredBytes = 0

    init(
        me: NodeNumber, boot: UInt64, shard: Int, store: any RecordStore, options: ShardOptions, slots: SlotMap,
        mayLackRecords: Bool, epoch: Epoch, now: Now, seed: UInt64
    ) {
        self.store = store
        self.mayLackRecords = mayLackRecords
        self.slots = slots
        listings = ListedLeaderships(slots)
        listingBudget = options.listingSlice
        expiryBudget = options.expirySlice
        moveBudget = MoveBudget(rate: options.moveRate, now: now.monotonic)
        leases = Leases(started: now.monotonic, options)
        super.init(me: me, boot: boot, shard: shard, options: options, epoch: epoch, now: now, seed: seed)
    }

    /// The rests of the shard's replicas: the times until which they have nothing to do.
    var rests = ReplicaRests()

    func decide(_ rule: ProtocolRule) { decided[rule] &+= 1 }

    func watchDisk() {
        guard disk.look(appended: store.appended, durable: store.durable, now: now.monotonic, options) else { return }
        effects.append(.notice(.disk(isStalled: disk.isStalled)))
    }

    func window(_ node: NodeNumber) -> PeerWindow {
        if let window = windows[node] { return window }
        let window = PeerWindow()
        windows[node] = window
        return window
    }

    func markDirty(_ replica: Replica) {
        guard !replica.isDirty else { return }
        replica.isDirty = true
        dirty.append(replica.partition)
    }

    func lookAgain(for replica: Replica) {
        decide(.lookAgain)
        unlooked.append(replica.partition)
    }

    var wantsLook: Bool { !unlooked.isEmpty }

    func takeUnlooked() -> [PartitionID] {
        guard !unlooked.isEmpty else { return [] }
        defer { unlooked.removeAll(keepingCapacity: true) }
        return unlooked
    }

    /// Partitions whose copies have changed in size, perhaps, since the shard last looked.
    var resized: [PartitionID] = []
    /// Grows whenever a replica learns of another leader, or of none.
    var leadEdits: UInt64 = 0

    func noteLead(of replica: Replica) {
        leadsNoted.insert(replica.partition)
        leadEdits &+= 1
    }

    func noteResized(_ replica: Replica) {
        guard !replica.isResized else { return }
        replica.isResized = true
        resized.append(replica.partition)
    }

    func takeLeadsNoted() -> Set<PartitionID> {
        defer { leadsNoted.removeAll(keepingCapacity: true) }
        return leadsNoted
    }

    func noteListing(_ partition: PartitionID) {
        listing.removeAll { $0 == partition }
        listing.append(partition)
    }

    func noteListingEnded(_ partition: PartitionID) { listing.removeAll { $0 == partition } }

    /// True if more may be sent to joining nodes of moving partitions now.
    var mayMove: Bool { !isMovingPaused && moveBudget.mayMove }

    /// Refills the budget for moves by the time since the last call.
    ///
    /// - Returns: The throttled partitions, if more may be sent now.
    func allowMoves() -> [PartitionID] {
        moveBudget.refill(at: now.monotonic)
        guard mayMove, !throttled.isEmpty else { return [] }
        defer { throttled.removeAll(keepingCapacity: true) }
        return throttled
    }

    func moved(_ bytes: Int) { moveBudget.moved(bytes) }

    /// Ends a turn of the event loop for the limit on what one turn may send to joining nodes.
    func endMovingTurn() { moveBudget.endTurn() }

    /// True if `node` can be expected to confirm at once: it is in touch, and has not been late recently.
    func isPrompt(_ node: NodeNumber) -> Bool {
        guard isUp(node) else { return false }
        guard !late.isEmpty, let until = late[node] else { return true }
        if until <= now.monotonic { late[node] = nil }
        return until <= now.monotonic
    }

    func noteLate(_ node: NodeNumber) { late[node] = now.monotonic + options.hedgeTime }

    /// Reads a value from disk. `takeLoad` finds the purpose when the read has completed.
    func load(_ ticket: ReadTicket, for purpose: LoadPurpose) {
        loads[ticket] = purpose
        effects.append(.load(ticket))
    }

    /// Like `load`, for background work that no client waits for.
    func loadLater(_ ticket: ReadTicket, for purpose: LoadPurpose) {
        loads[ticket] = purpose
        effects.append(.loadLater(ticket))
    }

    /// Takes the purpose of a read that has completed; nil if the read is not known.
    func takeLoad(_ ticket: ReadTicket) -> LoadPurpose? { loads.removeValue(forKey: ticket) }

    /// Performs `action` once the log is durable up to `position` and synced up to `synced`. If it is already, the
    /// action is performed at the end of this tick. For one partition, positions must not decrease from call to call;
    /// actions of different partitions may be performed in any order. An answer is dropped if too many are waiting
    /// (`mayBeLost`).
    func after(_ position: LogPosition, synced: LogPosition, _ action: DeferredAction) {
        let isLate = synced > store.synced || position > store.durable
        if isLate {
            let isFull =
                deferred.count + unsynced.count >= options.maximumDeferred
                || deferredBytes >= options.maximumDeferredBytes
            if isFull, action.mayBeLost { return }
            deferredBytes += action.heldBytes
        }
        if synced > store.synced {
            decide(.awaitSync)
            unsynced.append((position, synced, action))
        } else if position > store.durable {
            decide(.awaitDurable)
            deferred.append((position, action))
        } else {
            ready.append(action)
        }
    }

    /// The number of answers to peers that wait for the store; limited by `ShardOptions.maximumDeferred`.
    var deferredAnswers: Int {
        deferred.count { $0.action.mayBeLost } + unsynced.count { $0.action.mayBeLost }
    }

    /// Takes the next action that need not wait any longer.
    func nextDurable() -> DeferredAction? {
        if let action = ready.popFirst() { return action }
        if let first = unsynced.first, first.synced <= store.synced, first.position <= store.durable {
            return taken(unsynced.removeFirst().action)
        }
        guard let first = deferred.first, first.position <= store.durable else { return nil }
        return taken(deferred.removeFirst().action)
    }

    private func taken(_ action: DeferredAction) -> DeferredAction {
        deferredBytes -= action.heldBytes
        return action
    }
}

/// An action that waits until the records it rests on are durable.
enum DeferredAction {
    /// Tells a leader that this replica holds a record.
    case acknowledge(NodeNumber, PartitionHeader, Version)
    /// Sends a message. (Indirect, because it is the largest case and not the most frequent one.)
    indirect case send(NodeNumber, PeerMessage)
    /// Counts a candidate's own promise.
    case promised(PartitionID, Ballot)
    /// Counts a leader's own accept.
    case accepted(PartitionID, Ballot, sequence: UInt64)
    /// Gives this node's own copy to a quorum read of its client.
    case ownQuorumRead(Request, Record?)
    /// Tells a quorum read of this node's client that the node's own copy does not answer, because it is incomplete.
    case noQuorumRead(Request)

    /// Bytes of the answer; 0 for actions that are small.
    var heldBytes: Int {
        switch self {
        case .send(_, let message): message.heldBytes
        case .acknowledge, .promised, .accepted, .ownQuorumRead, .noQuorumRead: 0
        }
    }

    /// True if the action may be dropped, because the peer that waits for it asks again.
    var mayBeLost: Bool {
        switch self {
        case .acknowledge, .send: true
        case .promised, .accepted, .ownQuorumRead, .noQuorumRead: false
        }
    }
}

/// The purpose of a read from disk.
enum LoadPurpose {
    /// Answers a waiting read of this leader.
    case answer(PartitionID, Ballot, id: UInt64)
    /// Evaluates the requests of a key that wait for its value.
    case evaluate(PartitionID, Ballot, Key, id: UInt64)
    /// Re-proposes this leader's own copy under its ballot.
    case propose(PartitionID, Ballot, Key)
    /// Repairs a replica.
    case repair(PartitionID, Ballot, to: NodeNumber, Key, bytes: Int)
    case readResult(PartitionHeader, id: UInt64, key: Key, to: NodeNumber)
    case quorumReadReply(RequestID, PartitionID, to: NodeNumber)
    /// Answers a stale read or a quorum read of this node's client from its own copy.
    case ownQuorumRead(Request)
}
