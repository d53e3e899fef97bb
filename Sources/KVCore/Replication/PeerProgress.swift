import DequeModule

/// How far behind its leader one replica is, and what is on its way to it. (etcd-io/raft's `tracker.Progress` is the
/// model; without a log, what a replica misses is a set of keys, and past a bound the hash trees find them.)
///
///     not compared --beginComparison--> comparing --next() == .done--> compared, and verified where nothing was found
///          ^                                |                               |
///          +------ too much was missed -----+------- time to look again ----+
struct PeerProgress {
    /// Its tree has been compared with the leader's: what it misses is in `missed`, on its way, or in flight.
    private(set) var isCompared = false
    /// Since when; nil before the first comparison has ended.
    private(set) var comparedSince: Instant?
    /// The last comparison found nothing that it missed, but for what was changed meanwhile.
    ///
    /// Invariant: only what was compared is verified.
    private(set) var isVerified = false
    private(set) var comparison: Comparison?

    /// Keys it missed, at most `ShardOptions.maximumMissed` and those of one leaf.
    private var missed: Deque<Key> = []
    /// Records sent to it again, by version.
    private var sent: [Version: Sent] = [:]
    /// Records that are being read from disk for it.
    private var loading = 0
    /// Bytes of keys and values sent to it again under this leader.
    private(set) var bytesSent: UInt64 = 0
    /// How many times in a row what was sent again found no answer: its disk may be full. Each doubles the pause.
    private(set) var silence = 0

    /// Its copy may lack records that it has acknowledged: see Abstaining.swift.
    private(set) var abstains = false
    /// An abstaining copy lacks nothing but what is on its way, up to this proposal.
    private var levelAt: UInt64?
    /// When it was last told that it is complete.
    private var toldComplete: Instant?

    /// The first proposal that was not sent to it for want of room; `max` for none.
    private(set) var firstSkipped = UInt64.max

    private struct Sent {
        let key: Key
        let at: Instant
        let bytes: Int
    }

    /// As far as the leader knows it holds everything that is not in flight.
    var isLevel: Bool { isCompared && missed.isEmpty && sent.isEmpty && loading == 0 && comparison == nil }

    /// Until when nothing is to be done about it; nil where there is something to do.
    func restsUntil(isUp: Bool, _ options: ShardOptions) -> Instant? {
        // What a peer that is away has missed is looked after when it is back.
        guard isUp else { return comparison == nil && sent.isEmpty ? .distantFuture : nil }
        guard isLevel, isVerified, !abstains, firstSkipped == .max else { return nil }
        return comparedSince.map { $0 + options.recompare }
    }

    // MARK: Comparing

    /// It has shown the same root of its hash tree as the leader.
    mutating func equalsLeader(at now: Instant) {
        isCompared = true
        isVerified = true
        comparedSince = now
    }

    /// It may have lost what it had: a new process speaks for it.
    mutating func restart() {
        isCompared = false
        isVerified = false
        abstains = false
        levelAt = nil
    }

    /// Decides whether to compare it again: to prove a copy level before anything rests on it, and now and then in case
    /// a disk has forgotten.
    ///
    /// - Returns: whether it is to be compared, or is being compared.
    mutating func wantsComparison(at now: Instant, every interval: Nanoseconds) -> Bool {
        if isLevel {
            let isFresh = isVerified && comparedSince.map { now - $0 < interval } ?? true
            if !isFresh { isCompared = false }
        }
        return !isCompared
    }

    /// - Parameter newest: the leader's newest proposal; what is newer may differ for being on its way.
    mutating func beginComparison(at now: Instant, newest: UInt64) {
        assert(comparison == nil, "one comparison at a time")
        comparison = Comparison(sent: now, newest: newest)
    }

    /// Gives the comparison up.
    ///
    /// - Returns: whether there was one.
    mutating func endComparison() -> Bool {
        defer { comparison = nil }
        return comparison != nil
    }

    /// The request that is due again; nil where an answer may still come.
    mutating func requestAgain(at now: Instant, after retry: Nanoseconds) -> Comparison.Request? {
        guard let comparison, now - comparison.sent >= retry else { return nil }
        self.comparison?.sent = now
        return comparison.leaves?.first.map { .entries(leaf: $0) } ?? .leaves
    }

    /// Its leaves have come.
    ///
    /// - Parameters:
    ///   - differing: the leaves to compare key by key.
    ///   - empty: those of them of which it holds nothing at all.
    mutating func takeLeaves(_ differing: [Int], empty: Set<Int>) {
        comparison?.leaves = Deque(differing)
        comparison?.empty = empty
    }

    /// What the comparison has to do next.
    ///
    /// - Parameters:
    ///   - newest: the leader's newest proposal.
    ///   - limit: as many keys missed as are enough for now.
    /// - Returns: nil without a comparison, and while much of what the last leaves showed waits to be sent.
    mutating func nextStep(at now: Instant, newest: UInt64, limit: Int) -> Comparison.Step? {
        guard let comparison else { return nil }
        guard let leaf = comparison.leaves?.first else {
            assert(comparison.leaves != nil, "leaves are compared once they have come")
            self.comparison = nil
            isCompared = true
            isVerified = !comparison.foundMissing
            comparedSince = now
            if abstains {
                levelAt = isVerified ? newest : nil
                toldComplete = nil
            }
            return .done(foundMissing: comparison.foundMissing)
        }
        self.comparison?.isPaused = missed.count >= limit
        guard missed.count < limit else { return nil }
        self.comparison?.sent = now
        return comparison.empty.contains(leaf) ? .empty(leaf: leaf) : .ask(leaf: leaf)
    }

    /// The first leaf of the comparison has been compared.
    ///
    /// - Parameters:
    ///   - behind: the keys of which it holds less than the leader.
    ///   - foundMissing: this is more than what is on its way.
    mutating func finishLeaf(behind: [Key], foundMissing: Bool) {
        missed.append(contentsOf: behind)
        if foundMissing { comparison?.foundMissing = true }
        comparison?.leaves?.removeFirst()
    }

    // MARK: Sending again

    /// It has not acknowledged the newest record of `key`, and is not waited for any more.
    ///
    /// - Returns: false where that is too much to remember: it is to be compared from the beginning.
    mutating func miss(_ key: Key, limit: Int) -> Bool {
        guard isCompared || comparison != nil else { return true }
        guard missed.count >= limit else {
            missed.append(key)
            return true
        }
        isCompared = false
        isVerified = false
        missed.removeAll()
        return false
    }

    var missedKeys: Int { missed.count }
    /// Records that are on their way to it, or being read for it.
    var recordsUnderway: Int { sent.count + loading }

    /// Whether there is something to send, and few enough records are on their way.
    func hasMissed(window: Int) -> Bool { !missed.isEmpty && recordsUnderway < window }

    mutating func nextMissed() -> Key? { missed.popFirst() }

    /// It misses `key` still, or again.
    mutating func missAgain(_ key: Key) { missed.append(key) }

    mutating func beginLoading() { loading += 1 }

    mutating func endLoading() {
        assert(loading > 0, "a record that was read was asked for")
        loading -= 1
    }

    /// A record goes to it again.
    ///
    /// - Returns: by how much more is on its way to it.
    mutating func noteSent(_ version: Version, _ key: Key, bytes: Int, at now: Instant) -> Int {
        let before = sent.updateValue(Sent(key: key, at: now, bytes: bytes), forKey: version)?.bytes ?? 0
        bytesSent &+= UInt64(bytes)
        return bytes - before
    }

    /// It has acknowledged a version.
    ///
    /// - Returns: by how much less is on its way to it; nil where that was not sent again.
    mutating func noteAcknowledged(_ version: Version) -> Int? {
        guard !sent.isEmpty, let record = sent.removeValue(forKey: version) else { return nil }
        silence = 0
        return record.bytes
    }

    /// What was sent again and is not acknowledged after `patience` is missed still.
    ///
    /// - Returns: by how much less is on its way to it.
    mutating func giveUp(after patience: Nanoseconds, at now: Instant) -> Int {
        let late = sent.filter { now - $0.value.at >= patience }
        if !late.isEmpty { silence += 1 }
        return forget(late)
    }

    /// It is out of touch, or the leader is no more: what was on its way is missed.
    ///
    /// - Returns: by how much less is on its way to it.
    mutating func giveUpAll() -> Int {
        silence = 0
        return sent.isEmpty ? 0 : forget(sent)
    }

    private mutating func forget(_ records: [Version: Sent]) -> Int {
        var bytes = 0
        for (version, record) in records.sorted(by: { $0.key < $1.key }) {
            sent[version] = nil
            bytes += record.bytes
            missed.append(record.key)
        }
        return bytes
    }

    /// Something is on its way to it that it has to acknowledge.
    var awaitsAcknowledgements: Bool { !sent.isEmpty }

    // MARK: Abstaining

    /// It has said that its copy may lack records. What it was compared with before says nothing of that.
    mutating func noteAbstention() {
        guard !abstains else { return }
        abstains = true
        isVerified = false
        levelAt = nil
        if comparison == nil { isCompared = false }
    }

    /// The newest proposal that it may lack, where it may be told that its copy is complete once that has arrived; nil
    /// where it may not, or has just been told.
    func completeThrough(at now: Instant, retry: Nanoseconds) -> UInt64? {
        guard abstains, isLevel, toldComplete.map({ now - $0 >= retry }) ?? true else { return nil }
        return levelAt
    }

    mutating func noteToldComplete(at now: Instant) { toldComplete = now }

    /// It knows that its copy is complete.
    mutating func noteComplete() {
        abstains = false
        levelAt = nil
    }

    // MARK: Proposals without room

    /// A proposal finds no room in its window.
    ///
    /// - Returns: whether it is the first that does not.
    mutating func skip(_ sequence: UInt64) -> Bool {
        defer { firstSkipped = min(firstSkipped, sequence) }
        return firstSkipped == .max
    }

    /// What was skipped is tried again from here on; `max` where nothing was.
    mutating func takeSkipped() -> UInt64 {
        defer { firstSkipped = .max }
        return firstSkipped
    }
}

/// The comparison of one replica's hash tree with the leader's.
struct Comparison {
    fileprivate(set) var sent: Instant
    /// The leader's newest proposal when it began: what is newer may differ for being on its way.
    let newest: UInt64
    /// Leaves still to be compared key by key; nil until the other's leaves have come.
    fileprivate(set) var leaves: Deque<Int>?
    /// Those of which the peer holds nothing at all, so that there is nothing to ask.
    fileprivate var empty: Set<Int> = []
    /// It has found something that the peer missed.
    fileprivate var foundMissing = false
    /// The next leaf waits until much of what the last ones showed is on its way.
    fileprivate(set) var isPaused = false

    enum Request {
        case leaves
        case entries(leaf: Int)
    }

    enum Step {
        /// Every leaf is compared.
        case done(foundMissing: Bool)
        /// Ask for the keys of a leaf.
        case ask(leaf: Int)
        /// The peer holds nothing of a leaf.
        case empty(leaf: Int)
    }

    fileprivate init(sent: Instant, newest: UInt64) {
        self.sent = sent
        self.newest = newest
    }
}
