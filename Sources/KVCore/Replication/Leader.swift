/// The state of a partition's leader: what it has proposed, what waits for it, and how far each replica is.
final class Leader {
    let ballot: Ballot
    let elected: Instant
    /// True if this copy is known to hold every chosen record, each of them on a majority. Records in flight under its
    /// own ballot are not counted.
    var isSettled: Bool
    /// True if all replicas have promised, but those with whole copies are no majority. This leader settles only by
    /// what all replicas report.
    let hearsAll: Bool

    /// The proposals of this leader.
    var log = ProposalLog()

    // Answers that change nothing, and the confirmations they wait for.
    var answers = WaitingAnswers()
    var confirmations: Confirmations
    /// By replica, what it last said of its promise.
    var marks: [PromiseMark?]
    /// True from the time at which a successor was asked to prepare: support stands in nobody's way then.
    var isReleased = false
    /// When this node was last in touch with a majority.
    var majoritySeen: Instant

    /// Requests that wait for a majority to be in touch, for a leadership transfer to end, or for the partition to
    /// settle.
    var held = RequestQueue()
    /// Keys whose values on this node's disk are damaged, as reads have found. Held requests for them wait until
    /// another replica's copy has arrived.
    var unreadable: Set<Key> = []
    /// Listings under way.
    var listings = Listings()
    /// Requests that wait to be evaluated on the latest record of their key, by key. No backlog is empty.
    var backlogs: [Key: Backlog] = [:]
    var lastLoadID: UInt64 = 0
    /// Keys whose latest record is being read from a majority.
    var recoveries: [Key: Recovery] = [:]
    var lastRecoveryID: UInt64 = 0
    var settling: Settling?
    /// The progress of the partition's move, if it moves.
    var move = MoveProgress()
    /// When to look for tombstones to purge.
    var nextPurge: Instant
    /// The newest proposal of the last turn of the sweep for expired records; 0 before the first turn.
    var lastSwept: UInt64 = 0
    /// The progress of each replica, by index.
    var progress: [PeerProgress]
    var transfer: Transfer?
    var nextTransfer: Instant

    init(ballot: Ballot, replicas: Int, isSettled: Bool, hearsAll: Bool, now: Instant, options: ShardOptions) {
        self.ballot = ballot
        self.hearsAll = hearsAll
        self.isSettled = isSettled
        elected = now
        majoritySeen = now
        confirmations = Confirmations(replicas: replicas, now: now)
        marks = Array(repeating: nil, count: replicas)
        progress = Array(repeating: PeerProgress(), count: replicas)
        nextTransfer = now + options.handbackDelay
        nextPurge = now + options.purge
    }

    /// Takes out all recoveries, in the order of their keys.
    func takeRecoveries() -> [Recovery] {
        defer { recoveries = [:] }
        return recoveries.sorted { $0.key < $1.key }.map(\.value)
    }

    /// True if nothing of this leader is under way, so that another one may take over without cutting off a request.
    var isAtRest: Bool {
        log.isAtRest && answers.isEmpty && recoveries.isEmpty && backlogs.isEmpty
    }
}

struct Transfer {
    let target: NodeNumber
    let began: Instant
    var sent: Instant?
}
