import DequeModule

/// How far one replica is behind its leader, and which repaired records are on their way to it. (etcd-io/raft's
/// `tracker.Progress` is the model. Without a log, what a replica has missed is a set of keys; if there are too many,
/// hash trees find them.)
///
///     not compared --beginComparison--> comparing --nextStep() == .done--> compared (verified if nothing was found)
///          ^                                |                                |
///          +------ too much was missed -----+------- time to look again -----+
struct PeerProgress {
    /// True if its tree has been compared with the leader's: every record that it lacks is in `missed`, on its way, or
    /// in flight.
    private(set) var isCompared = false
    /// When the last comparison ended, or equal roots were reported; nil before that.
    private(set) var comparedSince: Instant?
    /// True if the last comparison found nothing missing except records changed meanwhile.
    ///
    /// Invariant: a copy that is verified has been compared.
    private(set) var isVerified = false
    private(set) var comparison: Comparison?

    /// Keys that it has missed: at most `ShardOptions.maximumMissed` and those of one leaf.
    private var missed: Deque<Key> = []
    /// Repaired records on their way to it, by version.
    private var sent: [Version: Sent] = [:]
    /// The number of records that are being read from disk to repair it.
    private var loading = 0
    /// Bytes of keys and values sent to repair it under this leader.
    private(set) var bytesSent: UInt64 = 0
    /// How many times in a row repaired records were not answered in time; its disk may be full. Each time doubles the
    /// pause.
    private(set) var silence = 0

    /// True if its copy may lack records that it has acknowledged (Abstaining.swift).
    private(set) var abstains = false
    /// The newest proposal when an abstaining copy was found level. The copy lacks nothing except proposals up to this
    /// one that are on their way to it.
    private var levelAt: UInt64?
    /// When it was last told that its copy is complete.
    private var completeSent: Instant?

    /// The first proposal that was not sent to it because its window had no room; `max` if there is none.
    private(set) var firstSkipped = UInt64.max

    private struct Sent {
        let key: Key
        let at: Instant
        let bytes: Int
    }

    /// True if, as far as the leader knows, it holds everything that is not in flight.
    var isLevel: Bool { isCompared && missed.isEmpty && sent.isEmpty && loading == 0 && comparison == nil }

    /// The time until which the leader has nothing to do for it; nil if there is something to do.
    func restsUntil(isUp: Bool, _ options: ShardOptions) -> Instant? {
        // A peer that is away is repaired when it is back.
        guard isUp else { return comparison == nil && sent.isEmpty ? .distantFuture : nil }
        guard isLevel, isVerified, !abstains, firstSkipped == .max else { return nil }
        return comparedSince.map { $0 + options.recompare }
    }

    // MARK: Comparing

    /// Notes that it has reported the same root of its hash tree as the leader's.
    mutating func equalsLeader(at now: Instant) {
        isCompared = true
        isVerified = true
        comparedSince = now
    }

    /// Notes that a new process speaks for it, which may have lost records.
    mutating func restart() {
        isCompared = false
        isVerified = false
        abstains = false
        levelAt = nil
    }

    /// Decides whether it has to be compared: to prove that a copy is level before anything rests on that, and at
    /// intervals in case a disk has lost something.
    ///
    /// - Returns: True if it has to be compared, or is being compared.
    mutating func wantsComparison(at now: Instant, every interval: Nanoseconds) -> Bool {
        if isLevel {
            let isFresh = isVerified && comparedSince.map { now - $0 < interval } ?? true
            if !isFresh { isCompared = false }
        }
        return !isCompared
    }

    /// Begins a comparison.
    ///
    /// - Parameter newest: The leader's newest proposal. Newer records may differ because they are on their way.
    mutating func beginComparison(at now: Instant, newest: UInt64) {
        assert(comparison == nil, "one comparison at a time")
        comparison = Comparison(sent: now, newest: newest)
    }

    /// Ends the comparison before it has finished.
    ///
    /// - Returns: True if there was one.
    mutating func endComparison() -> Bool {
        defer { comparison = nil }
        return comparison != nil
    }

    /// The request that has to be sent again; nil if an answer may still come.
    mutating func requestAgain(at now: Instant, after retry: Nanoseconds) -> Comparison.Request? {
        guard let comparison, now - comparison.sent >= retry else { return nil }
        self.comparison?.sent = now
        return comparison.leaves?.first.map { .entries(leaf: $0) } ?? .leaves
    }

    /// Takes the replica's leaves.
    ///
    /// - Parameters:
    ///   - differing: The leaves to compare key by key.
    ///   - empty: The leaves among them of which the replica holds no key.
    mutating func takeLeaves(_ differing: [Int], empty: Set<Int>) {
        comparison?.leaves = Deque(differing)
        comparison?.empty = empty
    }

    /// Takes the next step of the comparison.
    ///
    /// - Parameters:
    ///   - newest: The leader's newest proposal.
    ///   - limit: The number of missed keys at which the comparison pauses.
    /// - Returns: Nil if there is no comparison, or it pauses.
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
                completeSent = nil
            }
            return .done(foundMissing: comparison.foundMissing)
        }
        self.comparison?.isPaused = missed.count >= limit
        guard missed.count < limit else { return nil }
        self.comparison?.sent = now
        return comparison.empty.contains(leaf) ? .empty(leaf: leaf) : .ask(leaf: leaf)
    }

    /// Ends the comparison of the first leaf.
    ///
    /// - Parameters:
    ///   - behind: The keys of which it holds less than the leader.
    ///   - foundMissing: It lacks more than what is on its way.
    mutating func finishLeaf(behind: [Key], foundMissing: Bool) {
        missed.append(contentsOf: behind)
        if foundMissing { comparison?.foundMissing = true }
        comparison?.leaves?.removeFirst()
    }

    // MARK: Sending again

    /// Notes that it has not acknowledged the newest record of `key`, and is not waited for any more.
    ///
    /// - Returns: False if there are too many keys to remember: its tree has to be compared from the beginning.
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
    /// The number of repaired records that are on their way to it or being read for it.
    var recordsUnderway: Int { sent.count + loading }

    /// True if it has missed something, and fewer than `window` records are under way to it.
    func hasMissed(window: Int) -> Bool { !missed.isEmpty && recordsUnderway < window }

    mutating func nextMissed() -> Key? { missed.popFirst() }

    /// Notes that it still lacks `key`.
    mutating func missAgain(_ key: Key) { missed.append(key) }

    mutating func beginLoading() { loading += 1 }

    mutating func endLoading() {
        assert(loading > 0, "a read that ends was begun")
        loading -= 1
    }

    /// Notes that a repaired record is sent to it.
    ///
    /// - Returns: By how many bytes more is on its way to it.
    mutating func noteSent(_ version: Version, _ key: Key, bytes: Int, at now: Instant) -> Int {
        let before = sent.updateValue(Sent(key: key, at: now, bytes: bytes), forKey: version)?.bytes ?? 0
        bytesSent &+= UInt64(bytes)
        return bytes - before
    }

    /// Notes that it has acknowledged a version.
    ///
    /// - Returns: By how many bytes less is on its way to it; nil if this version was not sent as a repair.
    mutating func noteAcknowledged(_ version: Version) -> Int? {
        guard !sent.isEmpty, let record = sent.removeValue(forKey: version) else { return nil }
        silence = 0
        return record.bytes
    }

    /// Counts repaired records that it has not acknowledged after `patience` as missed again.
    ///
    /// - Returns: By how many bytes less is on its way to it.
    mutating func giveUp(after patience: Nanoseconds, at now: Instant) -> Int {
        let late = sent.filter { now - $0.value.at >= patience }
        if !late.isEmpty { silence += 1 }
        return forget(late)
    }

    /// Counts all repaired records on their way to it as missed again, because it is out of touch or the leader has
    /// stepped down.
    ///
    /// - Returns: By how many bytes less is on its way to it.
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

    /// True if repaired records are on their way to it.
    var awaitsAcknowledgements: Bool { !sent.isEmpty }

    // MARK: Abstaining

    /// Notes that its copy may lack records. Comparisons from before say nothing about these.
    mutating func noteAbstention() {
        guard !abstains else { return }
        abstains = true
        isVerified = false
        levelAt = nil
        if comparison == nil { isCompared = false }
    }

    /// The newest proposal that must have arrived before it may be told that its copy is complete. Nil if it may not be
    /// told, or has just been told.
    func completeThrough(at now: Instant, retry: Nanoseconds) -> UInt64? {
        guard abstains, isLevel, completeSent.map({ now - $0 >= retry }) ?? true else { return nil }
        return levelAt
    }

    mutating func noteCompleteSent(at now: Instant) { completeSent = now }

    /// Notes that it knows that its copy is complete.
    mutating func noteComplete() {
        abstains = false
        levelAt = nil
    }

    // MARK: Proposals without room

    /// Notes that a proposal found no room in its window.
    ///
    /// - Returns: True if no earlier proposal is waiting for room.
    mutating func skip(_ sequence: UInt64) -> Bool {
        defer { firstSkipped = min(firstSkipped, sequence) }
        return firstSkipped == .max
    }

    /// Takes the first proposal that was skipped, from which sending goes on; `max` if none was.
    mutating func takeSkipped() -> UInt64 {
        defer { firstSkipped = .max }
        return firstSkipped
    }
}

/// The comparison of one replica's hash tree with the leader's.
struct Comparison {
    fileprivate(set) var sent: Instant
    /// The leader's newest proposal when it began. Newer records may differ because they are on their way.
    let newest: UInt64
    /// The leaves still to be compared key by key; nil until the replica's leaves have come.
    fileprivate(set) var leaves: Deque<Int>?
    /// The leaves among them of which the replica holds no key. Their keys need not be asked for.
    fileprivate var empty: Set<Int> = []
    /// True if it has found a record that the replica lacks.
    fileprivate var foundMissing = false
    /// True if the next leaf waits until enough of the missed keys have been sent.
    fileprivate(set) var isPaused = false

    enum Request {
        case leaves
        case entries(leaf: Int)
    }

    enum Step {
        /// Every leaf has been compared.
        case done(foundMissing: Bool)
        /// The keys of a leaf have to be asked for.
        case ask(leaf: Int)
        /// The replica holds no key of a leaf.
        case empty(leaf: Int)
    }

    fileprivate init(sent: Instant, newest: UInt64) {
        self.sent = sent
        self.newest = newest
    }
}
