/// The confirmation rounds of one leader: in each it asks whether a majority still goes by its ballot, which its reads
/// wait for (Raft's ReadIndex, section 6.4 of Ongaro's thesis; the state is that of etcd-io/raft's `read_only.go`).
///
/// Rounds are counted, and a later confirmation serves earlier rounds as well: whoever confirms a round has promised
/// nothing higher until then.
struct Confirmations {
    /// The newest that was asked for; 0 before the first.
    private(set) var round: UInt64 = 0
    private var isWanted = false
    /// When the newest was last asked for.
    private var sent: Instant
    /// The newest that each replica has confirmed, by index.
    ///
    /// Invariant: none is newer than `round`.
    private var confirmed: [UInt64]
    /// Whom the newest was asked of; nobody where that was everybody.
    private var asked = ReplicaMask()
    /// The round whose confirmations are waited for to tell whether those that were asked are slow, and since when.
    /// (One at a time: when it is confirmed the newest takes its place.)
    private var timed: (round: UInt64, since: Instant)

    init(replicas: Int, now: Instant) {
        sent = now
        timed = (0, now)
        confirmed = Array(repeating: 0, count: replicas)
    }

    /// Something waits for a round that begins from now on.
    mutating func want() { isWanted = true }

    /// Begins the round that is wanted: its number; nil where none is.
    mutating func begin(at now: Instant) -> UInt64? {
        guard isWanted else { return nil }
        isWanted = false
        round += 1
        sent = now
        return round
    }

    /// The newest round goes to these.
    mutating func ask(_ few: ReplicaMask, at now: Instant) {
        if asked == ReplicaMask() { timed = (round, now) }
        asked = few
    }

    /// The newest round goes to everybody.
    mutating func askAll() { asked = ReplicaMask() }

    func hasAskedAmongFew(_ index: Int) -> Bool { asked.contains(index) }

    /// - Returns: false for a round that has not been asked for.
    mutating func confirm(_ confirmed: UInt64, by index: Int) -> Bool {
        guard confirmed <= round else { return false }
        self.confirmed[index] = max(self.confirmed[index], confirmed)
        return true
    }

    /// The newest round that a majority has confirmed; 0 for none.
    ///
    /// - Parameter own: the leader's index, who confirms its own rounds.
    func newest(_ quorum: Quorum, own: Int) -> UInt64 {
        var best: UInt64 = 0
        for index in confirmed.indices {
            let candidate = index == own ? round : confirmed[index]
            assert(candidate <= round, "nobody confirms what has not been asked")
            guard candidate > best else { continue }
            var mask = ReplicaMask()
            for other in confirmed.indices where other == own || confirmed[other] >= candidate { mask.insert(other) }
            if quorum.isMet(by: mask) { best = candidate }
        }
        return best
    }

    enum Patience: Equatable {
        /// There is nothing to wait for.
        case over
        /// They may yet answer in time.
        case waiting
        /// These have not: everybody is to be asked.
        case lost(late: ReplicaMask)
    }

    /// Looks at those few that the newest round was asked of.
    ///
    /// - Parameter isNeeded: something waits for it.
    mutating func look(_ quorum: Quorum, own: Int, isNeeded: Bool, at now: Instant, hedge: Nanoseconds) -> Patience {
        guard asked != ReplicaMask() else { return .over }
        let newest = isNeeded ? newest(quorum, own: own) : round
        guard round > newest else {
            askAll()
            return .over
        }
        // One of those that were asked may confirm every round at once, and another none: a round is confirmed by all.
        if newest >= timed.round { timed = (round, sent) }
        guard now - timed.since >= hedge else { return .waiting }
        var late = ReplicaMask()
        for index in confirmed.indices where asked.contains(index) && confirmed[index] < timed.round {
            late.insert(index)
        }
        sent = now
        askAll()
        return .lost(late: late)
    }

    /// Whether the newest round is to be asked for once more, of everybody; it counts as sent then.
    mutating func isOverdue(_ quorum: Quorum, own: Int, at now: Instant, retry: Nanoseconds) -> Bool {
        guard round > newest(quorum, own: own), now - sent >= retry else { return false }
        sent = now
        askAll()
        return true
    }
}
