import DequeModule

/// What the leader of a partition knows and waits for.
final class Leader {
    let ballot: Ballot
    let elected: Instant
    /// Its copy is known to hold every chosen record, chosen on a majority; but for what is in flight under its own
    /// ballot.
    var isSettled: Bool
    /// It has no majority of whole copies behind it, and is settled only by what all replicas tell.
    let hearsAll: Bool

    // Writes.
    /// The sequence of the newest proposal.
    var sequence: UInt64 = 0
    /// Proposals by sequence, from `base` on: in flight, or chosen and not yet at every replica.
    var proposals: Deque<Proposal> = []
    /// The sequence of `proposals.first`.
    var base: UInt64 = 1
    /// The newest proposal in flight of a key: what later changes of the key build on.
    var inFlight: [Key: UInt64] = [:]
    /// Made in this tick, not yet sent.
    var unsent: [UInt64] = []

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
    /// Where the partition moves: every record is on majorities of both sets, and this node is of the next.
    var isReady = false
    /// The proposal that marks readiness; 0 before.
    var mark: UInt64 = 0
    /// When to look next for tombstones that may go, and for expired records, and in which leaf.
    var nextPurge: Instant
    var nextSweep: Instant
    var sweepLeaf = 0
    /// The first proposal that has not been sent to each replica for want of room, by index; `max` for none.
    var firstSkipped: [UInt64]
    /// How far each replica is, by index.
    var progress: [Progress]
    var transfer: Transfer?
    var nextTransfer: Instant

    init(ballot: Ballot, replicas: Int, isSettled: Bool, hearsAll: Bool, now: Instant, options: ShardOptions) {
        self.ballot = ballot
        self.hearsAll = hearsAll
        self.isSettled = isSettled
        elected = now
        majoritySeen = now
        confirmations = Confirmations(replicas: replicas, now: now)
        progress = Array(repeating: Progress(), count: replicas)
        firstSkipped = Array(repeating: .max, count: replicas)
        nextTransfer = now + options.handbackDelay
        nextPurge = now + options.purge
        nextSweep = now + options.sweep
    }

    /// Nil once it has left `proposals`, chosen and done with; and for 0, which none has.
    func proposal(_ sequence: UInt64) -> Proposal? {
        guard sequence >= base, sequence - base < UInt64(proposals.count) else { return nil }
        return proposals[Int(sequence - base)]
    }

    func isChosen(_ sequence: UInt64) -> Bool { proposal(sequence)?.isChosen ?? true }

    /// Nothing of this leader's is under way, so that another may take over and no request is cut off.
    var isAtRest: Bool {
        inFlight.isEmpty && unsent.isEmpty && answers.isEmpty && recoveries.isEmpty && backlogs.isEmpty
    }
}

/// One record under this leader's ballot. (A class: it is looked at for every answer, and a copy would count its parts
/// anew.)
final class Proposal {
    let key: Key
    /// Of the key.
    let hash: KeyHash
    let record: Record
    /// Asked for it; nil for a record that is proposed again.
    let request: Request?
    /// The proposal of the same key that was in flight when this was made, 0 for none: it is chosen when this is.
    let previous: UInt64
    /// Until when something that this replaces may be seen before this is chosen: the latest expiry among the record
    /// known to be chosen when it was made, and those in flight. `never` where there was none, or none was known.
    let ground: Expiry
    /// A later proposal of the key was made while this one was in flight.
    var isSuperseded = false
    /// False where a later change of the key in the same tick travels for both.
    var isSent = false
    var sent: Instant
    /// When it was last sent again to those who had not answered, and how often.
    var resent: Instant
    var resends = 0
    var accepted = ReplicaMask()
    /// Those to whom it is on its way, counted in their windows.
    var underway = ReplicaMask()
    var isChosen = false
    /// Changes of an earlier leadership of this node that this record re-proposes, oldest first; the last is this very
    /// one.
    var carried: [Unfinished.InFlight] = []

    init(key: Key, record: Record, request: Request?, previous: UInt64, ground: Expiry, now: Instant) {
        self.key = key
        hash = request?.hash ?? KeyHash(key)
        self.record = record
        self.request = request
        self.previous = previous
        self.ground = ground
        sent = now
        resent = now
    }

    /// What to re-propose with under the next ballot.
    var unfinished: [Unfinished.InFlight] {
        guard carried.isEmpty else {
            // It is the last of them, under another version.
            var changes = carried
            let last = changes.removeLast()
            return changes + [Unfinished.InFlight(key: key, version: record.version, request: last.request)]
        }
        return [Unfinished.InFlight(key: key, version: record.version, request: request)]
    }

    /// What it holds in memory, about.
    var bytes: Int { 256 + key.bytes.count + (record.value?.count ?? 0) }
}

struct Transfer {
    let target: NodeNumber
    let began: Instant
    var sent: Instant?
}
