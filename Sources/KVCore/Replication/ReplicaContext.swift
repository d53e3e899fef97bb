import DequeModule

/// What the replicas of a shard share: the store, the clock of this step, and where their decisions go.
final class ReplicaContext<Store: RecordStore> {
    let me: NodeNumber
    let store: Store
    let options: ShardOptions
    var epoch: Epoch
    var now: Now
    var random: SplitMix
    /// When this process began: peers not yet heard of are given their turn for a while after.
    let started: Instant
    var isDraining = false

    var effects: [ShardEffect] = []
    /// Operations that have ended here, for the router to pass on.
    var results: [(OperationOrigin, ForwardResult)] = []
    /// Partitions with something to send at the end of this tick.
    var dirty: [PartitionID] = []
    var loads: [ReadTicket: LoadPurpose] = [:]
    /// Leaderships being handed over, and comparisons of hash trees under way: bounded by `ShardOptions`.
    var transfers = 0
    var comparisons = 0

    /// What waits for the store, in the order of its log.
    private var deferred: Deque<(position: LogPosition, action: DeferredAction)> = []
    /// Peers in touch: their boot counters, and since when.
    private(set) var up: [NodeNumber: (boot: UInt64, since: Instant)] = [:]
    private var everHeard: Set<NodeNumber> = []

    init(me: NodeNumber, store: Store, options: ShardOptions, epoch: Epoch, now: Now, seed: UInt64) {
        self.me = me
        self.store = store
        self.options = options
        self.epoch = epoch
        self.now = now
        started = now.monotonic
        random = SplitMix(seed: seed)
    }

    func send(_ node: NodeNumber, _ message: PeerMessage) { effects.append(.send(node, message)) }

    func markDirty(_ replica: Replica<Store>) {
        guard !replica.isDirty else { return }
        replica.isDirty = true
        dirty.append(replica.partition)
    }

    func finish(_ origin: OperationOrigin, _ outcome: Outcome) { results.append((origin, .outcome(outcome))) }

    /// Performs `action` once everything up to `position` is durable, and after what was deferred before it.
    func after(_ position: LogPosition, _ action: DeferredAction) { deferred.append((position, action)) }

    /// The next action whose time has come.
    func nextDurable() -> DeferredAction? {
        guard let first = deferred.first, first.position <= store.durable else { return nil }
        return deferred.removeFirst().action
    }

    func isUp(_ node: NodeNumber) -> Bool { node == me || up[node] != nil }

    /// Whether to leave a partition to `node` where it comes first: it is in touch, or this node has only just begun to listen.
    func isInTurn(_ node: NodeNumber) -> Bool {
        isUp(node) || !everHeard.contains(node) && now.monotonic - started < options.startGrace
    }

    /// Returns whether the peer was out of touch, or is another process than before.
    func setUp(_ node: NodeNumber, boot: UInt64) -> Bool {
        everHeard.insert(node)
        if let known = up[node], known.boot == boot { return false }
        up[node] = (boot, now.monotonic)
        return true
    }

    func setDown(_ node: NodeNumber) {
        everHeard.insert(node)
        up[node] = nil
    }
}

/// What is done when the store says that what it rests on is durable.
enum DeferredAction {
    case send(NodeNumber, PeerMessage)
    /// This candidate's own promise.
    case promised(PartitionID, Ballot)
    /// This leader's own accept.
    case accepted(PartitionID, Ballot, sequence: UInt64)
    /// This node's own copy, read on a client's behalf.
    case ownPeek(RequestID, Record?)
}

/// What a value is being read from disk for.
enum LoadPurpose {
    /// To answer a waiting read of this leader.
    case answer(PartitionID, Ballot, id: UInt64)
    /// To re-propose this leader's own copy under its ballot.
    case propose(PartitionID, Ballot, Key)
    /// To bring a replica level.
    case mend(PartitionID, Ballot, to: NodeNumber, Key)
    case readResult(PartitionHeader, id: UInt64, key: Key, to: NodeNumber)
    case peeked(RequestID, PartitionID, to: NodeNumber)
    /// A stale or leaderless read of this node's own copy.
    case ownPeek(RequestID, PartitionID)
}
