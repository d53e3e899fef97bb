/// What the leader of a partition knows and waits for.
final class Leader {
    let ballot: Ballot
    let elected: Instant
    /// Its copy is known to hold every chosen record, chosen on a majority; but for what is in flight under its own
    /// ballot.
    var isSettled: Bool
    /// It has no majority of whole copies behind it, and is settled only by what all replicas tell.
    let hearsAll: Bool

    /// Its writes.
    var log = ProposalLog()

    // Answers that change nothing.
    var answers = WaitingAnswers()
    var confirmations: Confirmations
    /// When this node was last in touch with a majority.
    var majoritySeen: Instant

    /// Requests that wait for a majority to be in touch, for a leadership transfer to end, or for the partition to
    /// settle.
    var held = RequestQueue()
    /// Keys whose values this node's disk has spoiled, as reads of them have shown: what is held of them waits for
    /// another replica's copy.
    var unreadable: Set<Key> = []
    /// What goes through the partition's keys.
    var listings = Listings()
    /// By key, what waits to be evaluated on its latest record. Never empty.
    var backlogs: [Key: Backlog] = [:]
    var lastLoadID: UInt64 = 0
    /// Keys whose latest record is being read from a majority.
    var recoveries: [Key: Recovery] = [:]
    var lastRecoveryID: UInt64 = 0
    var settling: Settling?
    /// Where the partition moves.
    var move = MoveProgress()
    /// Tombstones that may go, and records that have expired.
    var purge: PurgeSchedule
    /// How far each replica is, by index.
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
        progress = Array(repeating: PeerProgress(), count: replicas)
        nextTransfer = now + options.handbackDelay
        purge = PurgeSchedule(now: now, options: options)
    }

    /// Takes out what is being recovered, in the order of its keys.
    func takeRecoveries() -> [Recovery] {
        defer { recoveries = [:] }
        return recoveries.sorted { $0.key < $1.key }.map(\.value)
    }

    /// Nothing of this leader's is under way, so that another may take over and no request is cut off.
    var isAtRest: Bool {
        log.isAtRest && answers.isEmpty && recoveries.isEmpty && backlogs.isEmpty
    }
}

struct Transfer {
    let target: NodeNumber
    let began: Instant
    var sent: Instant?
}
