/// The confirmation rounds of one leader. In each round it asks whether a majority still goes by its ballot; reads wait
/// for that (Raft's ReadIndex, section 6.4 of Ongaro's thesis; the state is that of etcd-io/raft's `read_only.go`).
///
/// Rounds are numbered, and the confirmation of a later round serves earlier rounds as well: a replica that confirms a
/// round has promised no higher ballot until then.
struct Confirmations {
    /// The newest round; 0 before the first.
    private(set) var round: UInt64 = 0
    private(set) var isWanted = false
    /// The look at the clock before which all that wait for the next round were looked up (`ReplicaContext.look`).
    private(set) var look: UInt64 = 0
    /// The newest round that support has confirmed.
    private var supported: UInt64 = 0
    /// When the newest round was last asked for.
    private var sent: Instant
    /// The newest round that each replica has confirmed, by index.
    ///
    /// Invariant: none is newer than `round`.
    private var confirmed: [UInt64]
    /// The few replicas that the newest round was asked of; empty if all were asked.
    private var asked = ReplicaMask()
    /// The round by which it is judged whether the replicas that were asked are slow, and since when it has waited.
    /// (One round at a time: when a majority has confirmed it, the newest round takes its place.)
    private var timed: (round: UInt64, since: Instant)

    init(replicas: Int, now: Instant) {
        sent = now
        timed = (0, now)
        confirmed = Array(repeating: 0, count: replicas)
    }

    /// Notes that an answer waits for a round that begins from now on.
    ///
    /// - Parameter look: The number of looks at the clock so far.
    mutating func want(after look: UInt64) {
        isWanted = true
        self.look = look
    }

    /// Notes that the newest round needs no replica's answer, because a majority supports the leader.
    mutating func confirmBySupport() { supported = round }

    /// Begins the next round, if one is wanted.
    ///
    /// - Returns: The round's number; nil if none is wanted.
    mutating func begin(at now: Instant) -> UInt64? {
        guard isWanted else { return nil }
        isWanted = false
        round += 1
        sent = now
        return round
    }

    /// Notes that the newest round goes to these replicas only.
    mutating func ask(_ few: ReplicaMask, at now: Instant) {
        if asked == ReplicaMask() { timed = (round, now) }
        asked = few
    }

    /// Notes that the newest round goes to all replicas.
    mutating func askAll() { asked = ReplicaMask() }

    func hasAskedAmongFew(_ index: Int) -> Bool { asked.contains(index) }

    /// Notes that a replica has confirmed a round.
    ///
    /// - Returns: False for a round that has not been asked for.
    mutating func confirm(_ confirmed: UInt64, by index: Int) -> Bool {
        guard confirmed <= round else { return false }
        self.confirmed[index] = max(self.confirmed[index], confirmed)
        return true
    }

    /// The newest round that a majority has confirmed; 0 if there is none.
    ///
    /// - Parameter own: The leader's index. The leader confirms its own rounds.
    func newest(_ quorum: Quorum, own: Int) -> UInt64 {
        var best = supported
        guard best < round else { return best }
        for index in confirmed.indices {
            let candidate = index == own ? round : confirmed[index]
            assert(candidate <= round, "no replica confirms a round that was not asked for")
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
        /// The replicas that were asked may still answer in time.
        case waiting
        /// These replicas have not answered in time: all replicas have to be asked.
        case lost(late: ReplicaMask)
    }

    /// Checks whether the few replicas that the newest round was asked of have answered in time.
    ///
    /// - Parameter isNeeded: An answer waits for the round.
    mutating func look(_ quorum: Quorum, own: Int, isNeeded: Bool, at now: Instant, hedge: Nanoseconds) -> Patience {
        guard asked != ReplicaMask() else { return .over }
        let newest = isNeeded ? newest(quorum, own: own) : round
        guard round > newest else {
            askAll()
            return .over
        }
        // The time is that of one round, because one replica may confirm every round at once and another none: a round
        // counts only when all that were asked have confirmed it.
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

    /// True if the newest round has to be asked for again, of all replicas. It counts as sent then.
    mutating func isOverdue(_ quorum: Quorum, own: Int, at now: Instant, retry: Nanoseconds) -> Bool {
        guard round > newest(quorum, own: own), now - sent >= retry else { return false }
        sent = now
        askAll()
        return true
    }
}
