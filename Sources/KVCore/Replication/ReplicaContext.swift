import DequeModule

/// What the replicas of a shard share besides: the store, and what waits for it.
final class ReplicaContext: Environment {
    let store: any RecordStore
    /// Partitions with something to send at the end of this tick.
    var dirty: [PartitionID] = []
    /// Reads under way, and what each is for.
    private var loads: [ReadTicket: LoadPurpose] = [:]
    /// Leaderships being handed over, and comparisons of hash trees under way with each peer: bounded by
    /// `ShardOptions`.
    var transfers = 0
    var comparisons: [NodeNumber: Int] = [:]
    /// Bytes of what leaders have proposed, until they let go of it: bounded by `ShardOptions`.
    var proposedBytes = 0
    /// Changes that new leaderships of this node took over from its old ones.
    var reproposedChanges = 0
    /// How often each rule has decided something: for the simulator to tell.
    private(set) var decided = RuleCounts()
    /// Bytes of records on their way to lagging peers.
    var repairing: [NodeNumber: Int] = [:]
    /// Bytes of those that are being read for it, whoever leads when they have been.
    var repairLoads: [NodeNumber: Int] = [:]
    /// What leaders have under way to each peer.
    private var windows: [NodeNumber: PeerWindow] = [:]
    /// Whether the disk under the store answers.
    private(set) var disk = DiskWatch()
    /// P.
    let partitionCount: Int
    /// The store may have lost records that it had called durable.
    let mayLackRecords: Bool
    /// Copies of which that is so still.
    var incompletePartitions = 0
    /// The plan that moves partitions is paused.
    var isMovingPaused = false
    private var moveBudget: MoveBudget
    /// Partitions with something to move when it is allowed, in the order they asked.
    var throttled: [PartitionID] = []

    /// Partitions that this node has begun to lead, of which those who hold no replica have not been told.
    var newlyLed: [PartitionID] = []

    /// Partitions whose leaders have listings under way, or keep windows of them; the last that began is last.
    private(set) var listing: [PartitionID] = []
    /// Keys that listings may look at until the next timer.
    var listingBudget: Int

    /// Partitions whose leaders, of this node, have asked no more replicas to confirm them than they need.
    var hedged: [PartitionID] = []
    /// Peers that were late with a confirmation, and until when none is to rest on them.
    private var late: [NodeNumber: Instant] = [:]

    /// What rests on nothing but durable records, in the order it came.
    private var ready: Deque<DeferredAction> = []
    /// What waits for the store, in the order of its log.
    private var deferred: Deque<(position: LogPosition, action: DeferredAction)> = []
    /// What waits for a sync as well, which can take long: the other partitions' changes do not wait behind it.
    private var unsynced: Deque<(position: LogPosition, synced: LogPosition, action: DeferredAction)> = []
    /// What `deferred` and `unsynced` hold of answers.
    private var deferredBytes = 0

    init(
        me: NodeNumber, boot: UInt64, shard: Int, store: any RecordStore, options: ShardOptions, partitions: Int,
        mayLackRecords: Bool, epoch: Epoch, now: Now, seed: UInt64
    ) {
        self.store = store
        self.mayLackRecords = mayLackRecords
        partitionCount = max(partitions, 1)
        listingBudget = options.listingSlice
        moveBudget = MoveBudget(rate: options.moveRate, now: now.monotonic)
        super.init(me: me, boot: boot, shard: shard, options: options, epoch: epoch, now: now, seed: seed)
    }

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

    func isListing(_ partition: PartitionID) {
        listing.removeAll { $0 == partition }
        listing.append(partition)
    }

    func hasListed(_ partition: PartitionID) { listing.removeAll { $0 == partition } }

    /// Whether joining nodes of moving partitions may be sent more now.
    var mayMove: Bool { !isMovingPaused && moveBudget.mayMove }

    /// Allows what the time since the last call does; gives the partitions that have been waiting for it.
    func allowMoves() -> [PartitionID] {
        moveBudget.refill(at: now.monotonic)
        guard mayMove, !throttled.isEmpty else { return [] }
        defer { throttled.removeAll(keepingCapacity: true) }
        return throttled
    }

    func moved(_ bytes: Int) { moveBudget.moved(bytes) }

    /// What is sent from now on counts for the next turn of the event loop.
    func endMovingTurn() { moveBudget.endTurn() }

    /// Whether a confirmation may be expected of `node` at once.
    func isPrompt(_ node: NodeNumber) -> Bool {
        guard isUp(node) else { return false }
        guard !late.isEmpty, let until = late[node] else { return true }
        if until <= now.monotonic { late[node] = nil }
        return until <= now.monotonic
    }

    func wasLate(_ node: NodeNumber) { late[node] = now.monotonic + options.hedgeTime }

    /// Has a value read from disk; the completion finds its purpose by `takeLoad`.
    func load(_ ticket: ReadTicket, for purpose: LoadPurpose) {
        loads[ticket] = purpose
        effects.append(.load(ticket))
    }

    /// The same for what no client waits for.
    func loadLater(_ ticket: ReadTicket, for purpose: LoadPurpose) {
        loads[ticket] = purpose
        effects.append(.loadLater(ticket))
    }

    /// Nil for a read that nobody waits for.
    func takeLoad(_ ticket: ReadTicket) -> LoadPurpose? { loads.removeValue(forKey: ticket) }

    /// Performs `action` once everything up to `position` is durable, and up to `synced` is synced: at the end of this
    /// tick, where it is already. Positions of one partition never decrease; those of different partitions owe each
    /// other no order.
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

    /// Answers to peers that wait for the store, which their number bounds.
    var deferredAnswers: Int {
        deferred.count { $0.action.mayBeLost } + unsynced.count { $0.action.mayBeLost }
    }

    /// The next action whose time has come.
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

/// What is done when the store says that what it rests on is durable.
enum DeferredAction {
    /// Tells a leader that a record is held.
    case acknowledge(NodeNumber, PartitionHeader, Version)
    /// (Indirect: it is the largest and not the most frequent.)
    indirect case send(NodeNumber, PeerMessage)
    /// This candidate's own promise.
    case promised(PartitionID, Ballot)
    /// This leader's own accept.
    case accepted(PartitionID, Ballot, sequence: UInt64)
    /// This node's own copy, read on a client's behalf.
    case ownQuorumRead(Request, Record?)
    /// The same, where this node's own copy is not to be told of.
    case noQuorumRead(Request)

    /// Bytes of an answer; of what is small by itself, none.
    var heldBytes: Int {
        switch self {
        case .send(_, let message): message.heldBytes
        case .acknowledge, .promised, .accepted, .ownQuorumRead, .noQuorumRead: 0
        }
    }

    /// Whoever waits for it asks again.
    var mayBeLost: Bool {
        switch self {
        case .acknowledge, .send: true
        case .promised, .accepted, .ownQuorumRead, .noQuorumRead: false
        }
    }
}

/// What a value is being read from disk for.
enum LoadPurpose {
    /// To answer a waiting read of this leader.
    case answer(PartitionID, Ballot, id: UInt64)
    /// To evaluate the requests of a key that wait for its value.
    case evaluate(PartitionID, Ballot, Key, id: UInt64)
    /// To re-propose this leader's own copy under its ballot.
    case propose(PartitionID, Ballot, Key)
    /// To bring a replica level.
    case repair(PartitionID, Ballot, to: NodeNumber, Key, bytes: Int)
    case readResult(PartitionHeader, id: UInt64, key: Key, to: NodeNumber)
    case quorumReadReply(RequestID, PartitionID, to: NodeNumber)
    /// A stale or leaderless read of this node's own copy.
    case ownQuorumRead(Request)
}
