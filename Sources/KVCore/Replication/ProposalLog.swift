import DequeModule

/// The proposals of one leader, by sequence: those in flight, and those that are chosen but not yet at every replica.
///
/// It is not a log that anything is recovered from. It plays the part of etcd-io/raft's `unstable` and `Inflights`
/// together: what the leader has to send, to wait for and to let go of.
struct ProposalLog {
    /// The sequence of the newest proposal; 0 before the first.
    private(set) var last: UInt64 = 0
    /// The sequence of the oldest proposal that is kept; of the next one if none is.
    ///
    /// Invariant: `first + proposals.count == last + 1`.
    private(set) var first: UInt64 = 1
    /// The proposals that are kept, ascending by sequence without a gap.
    private(set) var proposals: Deque<Proposal> = []
    /// The sequence of the newest proposal of each key that is not chosen yet. Later changes of the key build on it.
    ///
    /// Invariant: each is kept, and neither chosen nor superseded.
    private var inFlight: [Key: UInt64] = [:]
    /// All proposals up to this one are chosen, and the next one is not.
    ///
    /// Invariant: at least `first - 1`, and at most `last`.
    private var chosenThrough: UInt64 = 0
    /// The sequences of the proposals made in this tick and not sent yet, ascending. They are the newest ones.
    private var unsent: [UInt64] = []

    /// Adds a proposal of `key`. It supersedes the key's proposal in flight.
    ///
    /// - Parameter latestExpiry: When the key's latest record expires, if that record is known to be chosen; else
    ///   `never`. It is not used if a proposal of the key is in flight, which knows more.
    mutating func append(
        _ key: Key, _ draft: Draft, under ballot: Ballot, for request: Request?, replacing latestExpiry: Expiry,
        at now: Instant
    ) -> Proposal {
        last += 1
        let previous = inFlight.updateValue(last, forKey: key) ?? 0
        var visibleUntil = latestExpiry
        if let proposal = self[previous] {
            assert(!proposal.isChosen && !proposal.isSuperseded, "what is in flight is neither chosen nor superseded")
            proposal.isSuperseded = true
            visibleUntil = max(proposal.visibleUntil, proposal.record.expiry)
        } else {
            assert(previous == 0, "what is in flight is kept")
        }
        // Invariant 2: the ballot belongs to this process alone, and each proposal takes the next sequence.
        let record = Record(
            version: Version(ballot: ballot, sequence: last), expiry: draft.expiry, value: draft.value,
            contentType: draft.contentType)
        let proposal = Proposal(
            key: key, record: record, request: request, previous: previous, visibleUntil: visibleUntil, now: now)
        proposals.append(proposal)
        unsent.append(last)
        assert(first + UInt64(proposals.count) == last + 1, "proposals follow each other without a gap")
        return proposal
    }

    /// Returns nil for a proposal that has been retired, and for 0.
    subscript(sequence: UInt64) -> Proposal? {
        guard sequence >= first, sequence - first < UInt64(proposals.count) else { return nil }
        return proposals[Int(sequence - first)]
    }

    var newest: Proposal? { proposals.last }

    // MARK: In flight

    /// The sequence of the key's newest proposal that is not chosen yet; nil if there is none.
    func inFlight(_ key: Key) -> UInt64? { inFlight.isEmpty ? nil : inFlight[key] }

    func isInFlight(_ key: Key) -> Bool { inFlight(key) != nil }

    /// True if no proposal waits to be chosen.
    var isAtRest: Bool {
        assert(!inFlight.isEmpty || unsent.isEmpty, "a proposal that was not sent is in flight")
        return inFlight.isEmpty
    }

    // MARK: Sent

    /// The sequence of the oldest proposal that was made in this tick and not sent; nil if there is none.
    var firstUnsent: UInt64? { unsent.first }

    /// Calls `body` with each proposal that was made in this tick and is not superseded, oldest first. A later change
    /// of a key is sent for the earlier ones as well.
    func forEachUnsent(_ body: (Proposal) -> Void) {
        for sequence in unsent {
            guard let proposal = self[sequence], !proposal.isSuperseded else { continue }
            body(proposal)
        }
    }

    /// Calls `body` with the key of each proposal that was made in this tick. A key may come more than once.
    func forEachUnsentKey(_ body: (Key) -> Void) {
        for sequence in unsent { if let proposal = self[sequence] { body(proposal.key) } }
    }

    /// Ends the tick: what was made in it has been sent.
    mutating func endTick() { unsent.removeAll(keepingCapacity: true) }

    // MARK: Chosen

    /// True if the proposal is chosen, has been retired, or is 0.
    func isChosen(_ sequence: UInt64) -> Bool { self[sequence]?.isChosen ?? true }

    /// True if all proposals up to this one are chosen.
    func areChosen(through sequence: UInt64) -> Bool {
        min(sequence, last) <= chosenThrough
    }

    /// Marks a proposal as chosen.
    ///
    /// - Returns: The earlier proposal of its key that is chosen with it, which the caller has to mark next; nil if
    ///   there is none, or it is marked already.
    mutating func choose(_ proposal: Proposal) -> Proposal? {
        assert(!proposal.isChosen, "a proposal is chosen once")
        proposal.isChosen = true
        // If it is superseded, the later proposal of the key stays in flight.
        if !proposal.isSuperseded { inFlight[proposal.key] = nil }
        while let next = self[chosenThrough + 1], next.isChosen { chosenThrough += 1 }
        guard let previous = self[proposal.previous], !previous.isChosen else { return nil }
        return previous
    }

    /// Removes the oldest proposal, which must be chosen.
    mutating func retireFirst() -> Proposal? {
        guard let proposal = proposals.popFirst() else { return nil }
        assert(proposal.isChosen, "a proposal is kept until it is chosen")
        first += 1
        assert(chosenThrough + 1 >= first, "what is retired is chosen")
        return proposal
    }
}

/// A record proposed under the leader's ballot. (A class, because it is looked up for every answer, and each copy of a
/// struct would count its references anew.)
final class Proposal {
    let key: Key
    /// The hash of `key`.
    let hash: KeyHash
    let record: Record
    /// The request that asked for it; nil for a record that the leader proposes by itself.
    let request: Request?
    /// The key's proposal that was in flight when this one was made, 0 if there was none. It is chosen when this one
    /// is.
    let previous: UInt64
    /// The time until which a record that this one replaces may be visible before this one is chosen: the latest expiry
    /// among the key's chosen record, as known when this proposal was made, and the records in flight since. `never` if
    /// the chosen record does not expire, is not known, or does not exist.
    let visibleUntil: Expiry
    /// True if a later proposal of the key was made while this one was in flight.
    fileprivate(set) var isSuperseded = false
    fileprivate(set) var isChosen = false
    /// When it was sent. Nil before that, and if a later change of the key in the same tick is sent for both.
    private(set) var sent: Instant?
    /// When it was last sent, and how often it has been sent again to replicas that had not answered.
    private var resent = Instant(nanoseconds: 0)
    private var resends = 0
    private(set) var accepted = ReplicaMask()
    /// The replicas that it is on its way to. It counts in their windows.
    private(set) var underway = ReplicaMask()
    /// Changes of an earlier leadership of this node that this record re-proposes, oldest first. The last one is this
    /// record under another version.
    private(set) var reproposed: [Unfinished.InFlight] = []

    init(key: Key, record: Record, request: Request?, previous: UInt64, visibleUntil: Expiry, now: Instant) {
        self.key = key
        hash = request?.hash ?? KeyHash(key)
        self.record = record
        self.request = request
        self.previous = previous
        self.visibleUntil = visibleUntil
    }

    var sequence: UInt64 { record.version.sequence }
    var isSent: Bool { sent != nil }

    func noteSent(at now: Instant) {
        sent = now
        resent = now
    }

    /// How long to wait before it is sent again: twice as long each time, up to sixteen times `retry`.
    func pause(_ retry: Nanoseconds) -> Nanoseconds {
        retry.doubled(resends, atMost: 4)
    }

    /// How long it has been waiting for answers since it was last sent.
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

    /// Takes it out of a replica's window.
    ///
    /// - Returns: False if it was not on its way to that replica.
    func leaveWindow(of replica: Int) -> Bool {
        guard underway.contains(replica) else { return false }
        underway.remove(replica)
        return true
    }

    /// Notes the changes that this proposal re-proposes. The last of them is this record under another version.
    func repropose(_ changes: [Unfinished.InFlight]) { reproposed = changes }

    /// The changes that the next leadership has to re-propose if this proposal is not chosen.
    var unfinished: [Unfinished.InFlight] {
        guard let last = reproposed.last else {
            return [Unfinished.InFlight(key: key, version: record.version, request: request)]
        }
        // The last one is this record, now under this proposal's version.
        return reproposed.dropLast() + [Unfinished.InFlight(key: key, version: record.version, request: last.request)]
    }

    /// Its approximate size in memory, in bytes.
    var bytes: Int { 256 + key.bytes.count + (record.value?.count ?? 0) }
}
