import DequeModule

/// The proposals of one leader, by sequence: those in flight, and those that are chosen but not yet at every replica.
///
/// It is no log that anything is recovered from. It is what etcd-io/raft's `unstable` and `Inflights` are together:
/// what the leader has to send, wait for and let go of.
struct ProposalLog {
    /// The sequence of the newest proposal; 0 before the first.
    private(set) var last: UInt64 = 0
    /// The sequence of the oldest proposal that is kept, or the next one's.
    ///
    /// Invariant: `first + proposals.count == last + 1`.
    private(set) var first: UInt64 = 1
    /// Ascending by sequence, without a gap.
    private(set) var proposals: Deque<Proposal> = []
    /// The newest proposal of each key that is not chosen yet: later changes of the key build on it.
    ///
    /// Invariant: each is kept, neither chosen nor superseded.
    private var inFlight: [Key: UInt64] = [:]
    /// Made in this tick and not sent yet, ascending: the newest there are.
    private var unsent: [UInt64] = []

    /// Adds a proposal of `key`, which supersedes the one of the key that is in flight.
    ///
    /// - Parameters:
    ///   - ground: when the latest record of the key expires, where that is known to be chosen; else never. Where a
    ///     proposal of the key is in flight, what is known of that takes its place.
    mutating func append(
        _ key: Key, _ draft: Draft, under ballot: Ballot, for request: Request?, over ground: Expiry, at now: Instant
    ) -> Proposal {
        last += 1
        let previous = inFlight.updateValue(last, forKey: key) ?? 0
        var ground = ground
        if let proposal = self[previous] {
            assert(!proposal.isChosen && !proposal.isSuperseded, "what is in flight is neither chosen nor superseded")
            proposal.isSuperseded = true
            ground = max(proposal.ground, proposal.record.expiry)
        } else {
            assert(previous == 0, "what is in flight is kept")
        }
        // Invariant 2: the ballot is this process's alone, and each proposal takes the next sequence.
        let record = Record(
            version: Version(ballot: ballot, sequence: last), expiry: draft.expiry, value: draft.value,
            contentType: draft.contentType)
        let proposal = Proposal(
            key: key, record: record, request: request, previous: previous, ground: ground, now: now)
        proposals.append(proposal)
        unsent.append(last)
        assert(first + UInt64(proposals.count) == last + 1, "proposals follow each other without a gap")
        return proposal
    }

    /// Nil once it has been retired, and for 0, which no proposal has.
    subscript(sequence: UInt64) -> Proposal? {
        guard sequence >= first, sequence - first < UInt64(proposals.count) else { return nil }
        return proposals[Int(sequence - first)]
    }

    var newest: Proposal? { proposals.last }

    // MARK: In flight

    /// The sequence of the key's newest proposal that is not chosen yet; nil where there is none.
    func inFlight(_ key: Key) -> UInt64? { inFlight.isEmpty ? nil : inFlight[key] }

    func isInFlight(_ key: Key) -> Bool { inFlight(key) != nil }

    /// Nothing is waiting to be chosen.
    var isAtRest: Bool {
        assert(!inFlight.isEmpty || unsent.isEmpty, "what was not sent is not chosen")
        return inFlight.isEmpty
    }

    // MARK: Sent

    /// The oldest proposal that was made in this tick and not sent; nil where there is none.
    var firstUnsent: UInt64? { unsent.first }

    /// Hands over what was made in this tick and is not superseded, oldest first: a later change of a key travels for
    /// the earlier ones.
    func forEachUnsent(_ body: (Proposal) -> Void) {
        for sequence in unsent {
            guard let proposal = self[sequence], !proposal.isSuperseded else { continue }
            body(proposal)
        }
    }

    /// The keys of what was made in this tick, once for each proposal.
    func forEachUnsentKey(_ body: (Key) -> Void) {
        for sequence in unsent { if let proposal = self[sequence] { body(proposal.key) } }
    }

    /// The tick is over: what was made in it has been sent.
    mutating func endTick() { unsent.removeAll(keepingCapacity: true) }

    // MARK: Chosen

    /// True of what has been retired as well, and of 0.
    func isChosen(_ sequence: UInt64) -> Bool { self[sequence]?.isChosen ?? true }

    /// Whether all proposals up to this one are chosen.
    func areChosen(through sequence: UInt64) -> Bool {
        guard sequence >= first else { return true }
        return proposals.prefix(Int(min(sequence - first + 1, UInt64(proposals.count)))).allSatisfy(\.isChosen)
    }

    /// Marks a proposal as chosen.
    ///
    /// - Returns: the earlier proposal of its key that is chosen with it, to be marked next; nil where that is marked
    ///   already, or there is none.
    mutating func choose(_ proposal: Proposal) -> Proposal? {
        assert(!proposal.isChosen, "a proposal is chosen once")
        proposal.isChosen = true
        // A superseded one leaves the later one in flight.
        if !proposal.isSuperseded { inFlight[proposal.key] = nil }
        guard let previous = self[proposal.previous], !previous.isChosen else { return nil }
        return previous
    }

    /// Lets go of the oldest proposal, which must be chosen.
    mutating func retireFirst() -> Proposal? {
        guard let proposal = proposals.popFirst() else { return nil }
        assert(proposal.isChosen, "a proposal is kept until it is chosen")
        first += 1
        return proposal
    }
}

/// One record under this leader's ballot. (A class: it is looked at for every answer, and a copy would count its parts
/// anew.)
final class Proposal {
    let key: Key
    /// The key's.
    let hash: KeyHash
    let record: Record
    /// The request that asked for it; nil for a record that is proposed again.
    let request: Request?
    /// The proposal of the same key that was in flight when this was made, 0 for none: it is chosen when this is.
    let previous: UInt64
    /// Until when something that this replaces may be seen before this is chosen: the latest expiry among the record
    /// known to be chosen when it was made, and those in flight. `never` where there was none, or none was known.
    let ground: Expiry
    /// A later proposal of the key was made while this one was in flight.
    fileprivate(set) var isSuperseded = false
    fileprivate(set) var isChosen = false
    /// When it was sent; nil before, and where a later change of the key in the same tick travels for both.
    private(set) var sent: Instant?
    /// When it was last sent again to those who had not answered, and how often.
    private var resent = Instant(nanoseconds: 0)
    private var resends = 0
    private(set) var accepted = ReplicaMask()
    /// Those to whom it is on its way, counted in their windows.
    private(set) var underway = ReplicaMask()
    /// Changes of an earlier leadership of this node that this record re-proposes, oldest first; the last is this very
    /// one.
    private(set) var reproposed: [Unfinished.InFlight] = []

    init(key: Key, record: Record, request: Request?, previous: UInt64, ground: Expiry, now: Instant) {
        self.key = key
        hash = request?.hash ?? KeyHash(key)
        self.record = record
        self.request = request
        self.previous = previous
        self.ground = ground
    }

    var sequence: UInt64 { record.version.sequence }
    var isSent: Bool { sent != nil }

    func noteSent(at now: Instant) {
        sent = now
        resent = now
    }

    /// How long to wait before it is sent again: twice as long each time, up to sixteen times `retry`.
    func pause(_ retry: Nanoseconds) -> Nanoseconds {
        Nanoseconds(nanoseconds: retry.nanoseconds << UInt64(min(resends, 4)))
    }

    /// Since when it has been waiting for answers.
    func wait(until now: Instant) -> Nanoseconds { now - resent }

    func noteResent(at now: Instant) {
        resent = now
        resends += 1
    }

    func accept(by replica: Int) { accepted.insert(replica) }

    func enterWindow(of replica: Int) {
        assert(!underway.contains(replica), "a proposal is counted in a window once")
        underway.insert(replica)
    }

    /// - Returns: false where it was not on its way to that replica.
    func leaveWindow(of replica: Int) -> Bool {
        guard underway.contains(replica) else { return false }
        underway.remove(replica)
        return true
    }

    /// It is the same change as these, of which the last is the record that it proposes again.
    func repropose(_ changes: [Unfinished.InFlight]) { reproposed = changes }

    /// The changes to re-propose under the next ballot, if this is not chosen.
    var unfinished: [Unfinished.InFlight] {
        guard let last = reproposed.last else {
            return [Unfinished.InFlight(key: key, version: record.version, request: request)]
        }
        // The last is this very record, under another version.
        return reproposed.dropLast() + [Unfinished.InFlight(key: key, version: record.version, request: last.request)]
    }

    /// Its size in memory, about.
    var bytes: Int { 256 + key.bytes.count + (record.value?.count ?? 0) }
}
