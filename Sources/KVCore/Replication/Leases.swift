// Reads without a round trip. A node that *supports* another one promises, for a while of its own clock, no ballot of
// anybody else where the promise is the other's. While a majority of a partition's replicas supports its leader,
// nobody else can have been elected, so the leader answers reads from its own copy.
//
// Support is between nodes, whatever the number of partitions (as in CockroachDB's store liveness; leases themselves
// are Gray and Cheriton's, 1989). A leader counts it from when it asked, and less of it than was given, so clocks need
// not agree: they must only run at about the same rate. It is asked for only while there are reads that want it.

/// The support of one peer for this node, as one shard sees it.
final class PeerSupport {
    /// It counts until this time of this node's clock.
    private(set) var until = Instant(nanoseconds: 0)
    private var boot: UInt64 = 0
    /// By shard of the peer.
    private var taken: [UInt64] = []
    /// When a leader of this shard last had a use for it.
    var wanted: Instant?

    /// Takes an answer. An older one than the present changes nothing.
    func take(_ answer: SupportAnswer, lasting: Nanoseconds) {
        let end = answer.question.asked + lasting
        guard end > until, !answer.taken.isEmpty else { return }
        (until, boot, taken) = (end, answer.boot, answer.taken)
    }

    /// Whether the peer supports this node in a partition whose ballot it has confirmed with this mark.
    @inline(__always)
    func covers(_ partition: PartitionID, _ mark: PromiseMark?, _ context: ReplicaContext) -> Bool {
        guard context.now.monotonic < until, let mark, mark.boot == boot else { return false }
        if mark.taken == taken[context.slots.shard(of: partition, among: taken.count)] { return true }
        context.decide(.countTaken)
        return context.breaks(.countTaken)
    }
}

/// The support that one shard of this node gives and is given.
struct Leases {
    /// How this node's leaders answer reads.
    var mode = ReadMode.confirm
    /// The support that this node is given.
    private var supports: [NodeNumber: PeerSupport] = [:]
    /// Until when this shard supports others.
    private var given: [NodeNumber: Instant] = [:]
    /// How many promises of each other node this process has given to others.
    private var taken: [NodeNumber: UInt64] = [:]
    /// Until then this shard supports whoever has its promises: the process before may have supported anybody.
    let grace: Instant
    /// Questions that have come in this turn. They are answered at its end, by a clock that is read after they came.
    private var questions: [NodeNumber: SupportQuestion] = [:]

    init(started: Instant, _ options: ShardOptions) {
        grace = options.broken.contains(.supportAfterStart) ? started : started + options.lease
    }

    // MARK: The leader

    mutating func support(of node: NodeNumber) -> PeerSupport {
        if let support = supports[node] { return support }
        let support = PeerSupport()
        supports[node] = support
        return support
    }

    /// The peers whose support leaders have had a use for within some time, ascending.
    func wanted(within span: Nanoseconds, of now: Instant) -> [NodeNumber] {
        guard mode == .lease else { return [] }
        return supports.filter { $0.value.wanted.map { now - $0 < span } ?? false }.map(\.key).sorted()
    }

    // MARK: The supporter

    mutating func note(_ question: SupportQuestion, from node: NodeNumber) { questions[node] = question }

    /// The nodes that have asked since the last call, ascending. They are supported from now on.
    mutating func giveSupport(at now: Instant, _ options: ShardOptions) -> [(node: NodeNumber, SupportQuestion)] {
        guard !questions.isEmpty else { return [] }
        let asked = questions.sorted { $0.key < $1.key }
        questions.removeAll(keepingCapacity: true)
        for (node, _) in asked { given[node] = max(given[node] ?? now, now + options.lease) }
        return asked.map { ($0.key, $0.value) }
    }

    /// Whether promises of a node must not be given to another one.
    func isSupported(_ node: NodeNumber, at now: Instant) -> Bool {
        now < grace || given[node].map { now < $0 } ?? false
    }

    /// Notes that a promise of a node has been given to another one.
    mutating func take(from node: NodeNumber) { taken[node, default: 0] += 1 }

    func taken(from node: NodeNumber) -> UInt64 { taken[node] ?? 0 }

    /// Forgets nodes that are not members any more, whose promises count for nothing.
    mutating func keep(_ isMember: (NodeNumber) -> Bool, at now: Instant) {
        given = given.filter { isMember($0.key) || now < $0.value }
        questions = questions.filter { isMember($0.key) }
        supports = supports.filter { isMember($0.key) }
    }
}

// MARK: - The supporter

extension Replica {
    /// Whether this node's support for the node that has its promise forbids it to promise a ballot of `node`.
    ///
    /// A node takes its own promises over freely: two processes of a node never run. And this node's own promise is its
    /// to give, because that ends its lead.
    func isBound(against node: NodeNumber) -> Bool {
        guard promise != .zero, promise.node != node, promise.node != context.me,
            context.leases.isSupported(promise.node, at: now), boundUntil.map({ now < $0 }) ?? true
        else { return false }
        context.decide(.keepSupport)
        return !context.breaks(.keepSupport)
    }

    /// Lets the present promise go where its node does not belong to the partition any more: for one more `lease`, and
    /// not for as long as the node is supported for the sake of other partitions. What it was answered before counts no
    /// longer than that, and what it is answered from now on does not cover this partition.
    func releaseFormerMember() {
        guard promise != .zero, quorum.index(of: promise.node) == nil, boundUntil == nil else { return }
        context.leases.take(from: promise.node)
        boundUntil = now + context.options.lease
    }

    /// What this node says of its promise when it confirms it; nil if a crash could undo the promise.
    var promiseMark: PromiseMark? {
        guard isPromiseSynced else { return nil }
        return PromiseMark(boot: context.boot, taken: context.leases.taken(from: promise.node))
    }

    /// Whether whoever has this replica's promise leads no more under it, because it leads under no ballot up to
    /// `released`: it has given up the lead, or has promised a higher ballot itself.
    func isReleased(by released: Ballot) -> Bool {
        released != .zero && released.node == promise.node && promise <= released
    }

    func receivePrepare(_ header: PartitionHeader, after released: Ballot, from node: NodeNumber) {
        guard admits(header, from: node) else { return }
        let isReleased = isReleased(by: released)
        guard isReleased || header.ballot <= promise || !isBound(against: node) else { return }
        promiseAndAnswer(header, isReleased: isReleased, from: node)
    }
}

// MARK: - The leader

extension Replica {
    func makeSupports() -> [PeerSupport] { quorum.members.map { context.leases.support(of: $0) } }

    /// Whether a replica supports this node, and has not said of this partition what that covers.
    func wantsMark(of index: Int, _ leader: Leader) -> Bool {
        guard context.leases.mode == .lease, context.isPrompt(quorum.members[index]) else { return false }
        return now < supports[index].until && !supports[index].covers(partition, leader.marks[index], context)
    }

    /// Whether a majority supports this leader at the time of the last look at the clock.
    ///
    /// - Parameter wants: Support is of use here, so it is to be asked for.
    func holdsLease(_ leader: Leader) -> Bool {
        guard context.leases.mode == .lease, quorum.members.count > 1 else { return false }
        let now = now
        var mask = ReplicaMask(ownIndex)
        for index in confirmers {
            supports[index].wanted = now
            if supports[index].covers(partition, leader.marks[index], context) { mask.insert(index) }
        }
        guard quorum.isMet(by: mask) else { return false }
        return !leader.isReleased || context.breaks(.releaseBeforeTransfer)
    }
}
