/// What a leadership that ends leaves to the next one of the same node.
struct Unfinished {
    /// Nothing of them has been proposed.
    var requests = RequestQueue()
    /// Proposed and sent, not known to be chosen.
    var proposals: [InFlight] = []

    struct InFlight {
        let key: Key
        let version: Version
        /// Nil for a record that was proposed again.
        let request: Request?
    }
}

/// A node on its way to lead a partition.
final class Candidate {
    /// `preVoting`: nothing has been promised; `preparing`: its own promise is, or is becoming, durable.
    enum Phase { case preVoting, preparing }

    var phase: Phase
    let ballot: Ballot
    let began: Instant
    var sent: Instant
    /// Who has granted the pre-vote, or promised.
    var supporters = ReplicaMask()
    /// Who has promised, and may lack records that it has acknowledged.
    var abstainers = ReplicaMask()
    /// Who has said that it sees a leader.
    var refusers = ReplicaMask()
    /// The roots that promises came with, each at its purge floor, by replica; the candidate's own is taken in the end.
    var roots: [Int: Root] = [:]
    /// What came for the leader-to-be meanwhile, and what its last leadership left it to finish.
    var unfinished: Unfinished

    struct Root {
        var digest: Digest
        var contents: UInt64?
        var floor: Version
    }

    /// Who has promised, whether it counts for a majority or not.
    var promised: ReplicaMask { supporters.union(abstainers) }

    init(phase: Phase, ballot: Ballot, unfinished: Unfinished = Unfinished(), now: Instant) {
        self.phase = phase
        self.ballot = ballot
        self.unfinished = unfinished
        began = now
        sent = now
    }
}

// MARK: - Who leads: the first of the replica set that is in touch

extension Replica {
    private var leaderSeemsAlive: Bool {
        guard let leaderHint, leaderHint != context.me else { return false }
        return context.isInTurn(leaderHint) && now - leaderHeard < context.options.leaderTimeout
    }

    /// Whether this node and the peers it is in touch with are a majority.
    var majorityIsUp: Bool {
        if majorityTouch == context.touch { return majorityInTouch }
        var mask = ReplicaMask()
        for (index, member) in quorum.members.enumerated() where context.isUp(member) { mask.insert(index) }
        majorityTouch = context.touch
        majorityInTouch = quorum.isMet(by: mask)
        return majorityInTouch
    }

    /// Its disk has stalled, so it could not even promise itself; alone, it is nevertheless all there is.
    private var isDisabled: Bool {
        context.disk.isStalled && quorum.members.count > 1 && !context.breaks(.yieldWhenStalled)
    }

    func considerElection() {
        guard leader == nil, candidate == nil, !context.isDraining, !isDisabled, now >= backoffUntil else { return }
        guard !leaderSeemsAlive else { return vacantSince = nil }
        guard majorityIsUp else { return }
        let since = vacantSince ?? now
        vacantSince = since
        let rank = quorum.preference.prefix { $0 != ownIndex }.count { context.isInTurn(quorum.members[$0]) }
        // One that rests comes after all others, and still before nobody.
        let needsAll = isIncomplete && quorum.members.count > 1
        let isLast = context.disk.isResting(at: now) || isFull || needsAll
        let place = rank + (isLast ? quorum.members.count : 0)
        var turn = Nanoseconds(nanoseconds: context.options.stagger.nanoseconds * UInt64(place))
        // It needs all, and those it asks hold it for the leader for a while: they are to have their turns before.
        if needsAll {
            turn = Nanoseconds(nanoseconds: turn.nanoseconds + context.options.leaderTimeout.nanoseconds)
        }
        guard now - since >= turn else { return }
        preVote()
    }

    /// Above all that was seen. Nil when the rounds are used up, by peers that tell of impossible ones: nothing may be
    /// reused.
    private func nextBallot() -> Ballot? {
        let round = max(highestSeen, promise).round
        return round < Ballot.maximumRound ? Ballot(round: round + 1, node: context.me) : nil
    }

    private func preVote() {
        guard let ballot = nextBallot() else { return }
        let candidate = Candidate(phase: .preVoting, ballot: ballot, now: now)
        candidate.supporters.insert(ownIndex)
        self.candidate = candidate
        // No ballot is both pre-voted on and led under: a late refusal of the one must not pass for a declined
        // leadership transfer.
        highestSeen = ballot
        if quorum.isMet(by: candidate.supporters) { return prepare(Unfinished()) }
        sendPreVotes(candidate)
    }

    private func sendPreVotes(_ candidate: Candidate) {
        candidate.sent = now
        candidate.refusers = ReplicaMask()
        for (index, member) in quorum.members.enumerated() where !candidate.supporters.contains(index) {
            context.send(member, .replica(header(candidate.ballot), .preVote))
        }
    }

    func receivePreVote(_ header: PartitionHeader, from node: NodeNumber) {
        guard admits(header, from: node) else { return }
        // Changes that are being carried to this node's next ballot would be lost track of under another's.
        let isReproposing = candidate?.phase == .preparing && candidate?.unfinished.proposals.isEmpty == false
        let granted = leader == nil && !isReproposing && (!leaderSeemsAlive || leaderHint == node)
        if !granted { context.decide(.seeLeader) }
        context.send(node, .replica(header, .preVoteResult(granted: granted, promised: max(promise, highestSeen))))
    }

    func receivePreVoteResult(_ header: PartitionHeader, granted: Bool, promised: Ballot, from node: NodeNumber) {
        highestSeen = max(highestSeen, promised)
        if !granted { receiveDeclined(header, from: node) }
        // Late: it does not ask any more, or for another ballot.
        guard let candidate, candidate.phase == .preVoting, candidate.ballot == header.ballot,
            let index = quorum.index(of: node)
        else { return }
        guard granted else {
            candidate.refusers.insert(index)
            var others = ReplicaMask()
            // Nothing is to be expected of those that are out of touch.
            for other in quorum.members.indices
            where !candidate.refusers.contains(other) && context.isUp(quorum.members[other]) {
                others.insert(other)
            }
            // The leader they see will show itself by its next leader heartbeat; if it does not, ask again.
            if !quorum.isMet(by: others) { abandonCandidacy(hint: nil) }
            return
        }
        candidate.supporters.insert(index)
        if quorum.isMet(by: candidate.supporters) { prepare(candidate.unfinished) }
    }

    /// Takes the lead at once, on the leader's own request.
    func receiveTransfer(_ header: PartitionHeader, from node: NodeNumber) {
        guard admits(header, from: node), header.ballot >= promise, leader == nil else { return }
        let isAble = majorityIsUp && (!context.disk.isResting(at: now) || quorum.members.count == 1)
        guard !context.isDraining, !isFull, !isIncomplete, isAble else {
            return context.send(node, .replica(header, .preVoteResult(granted: false, promised: promise)))
        }
        highestSeen = max(highestSeen, header.ballot)
        if let candidate, candidate.phase == .preparing { return }
        prepare(candidate?.unfinished ?? Unfinished())
    }

    func prepare(_ unfinished: Unfinished) {
        let ballot = nextBallot()
        let candidate = Candidate(phase: .preparing, ballot: ballot ?? promise, unfinished: unfinished, now: now)
        assert(leader == nil, "a leader gives up what it has before it prepares anew")
        self.candidate = candidate
        guard ballot != nil else { return abandonCandidacy(hint: nil) }
        // Invariant 2: a ballot is of one process of one node.
        assert(candidate.ballot.node == context.me && candidate.ballot > promise, "a ballot is prepared once")
        // Its own promise first, and durable before anybody hears of the ballot: so no ballot is ever used twice.
        raisePromise(to: candidate.ballot)
        whenDurable(.promised(partition, candidate.ballot))
    }

    func ownPromiseIsDurable(_ ballot: Ballot) {
        // Late: another ballot has been promised since.
        guard let candidate, candidate.ballot == ballot else { return }
        if isIncomplete { candidate.abstainers.insert(ownIndex) } else { candidate.supporters.insert(ownIndex) }
        sendPrepares(candidate)
        electIfPromised(candidate)
    }

    private func sendPrepares(_ candidate: Candidate) {
        candidate.sent = now
        for (index, member) in quorum.members.enumerated() where !candidate.promised.contains(index) {
            context.send(member, .replica(header(candidate.ballot), .prepare))
        }
    }

    func receivePromise(_ header: PartitionHeader, root: Candidate.Root, from node: NodeNumber) {
        // Late: of an earlier ballot, or it has been elected.
        guard let candidate, candidate.phase == .preparing, candidate.ballot == header.ballot,
            let index = quorum.index(of: node)
        else { return }
        candidate.supporters.insert(index)
        if candidate.roots[index] == nil { candidate.roots[index] = root }
        electIfPromised(candidate)
    }

    /// By a majority of whole copies, its own among them; or by all there are.
    func electIfPromised(_ candidate: Candidate) {
        guard candidate.promised.contains(ownIndex) else { return }
        let isByMajority = !isIncomplete && quorum.isMet(by: candidate.supporters)
        guard isByMajority || candidate.promised == quorum.all else { return }
        self.candidate = nil
        become(leaderAfter: candidate, hearsAll: !isByMajority)
    }

    func advanceCandidacy() {
        guard let candidate else { return }
        let isReproposing = !candidate.unfinished.proposals.isEmpty
        let patience = isReproposing ? context.options.reproposingCandidacy : context.options.candidacy
        if now - candidate.began >= patience { return abandonCandidacy(hint: nil) }
        switch candidate.phase {
        case .preVoting:
            // Who refused may have noticed a moment later that the leader it saw is gone.
            if now - candidate.sent >= context.options.preVoteRetry { sendPreVotes(candidate) }
        case .preparing:
            guard candidate.promised.contains(ownIndex), now - candidate.sent >= context.options.retry else { return }
            sendPrepares(candidate)
        }
    }

    func abandonCandidacy(hint: NodeNumber?) {
        guard let candidate else { return }
        self.candidate = nil
        if let hint, hint != context.me { sawLeader(hint) }
        // A pre-vote has disturbed nobody and may be repeated sooner.
        let longest = context.options.backoff.nanoseconds / (candidate.phase == .preVoting ? 4 : 1)
        let wait = context.random.next(upperBound: max(longest, 1))
        // It has had its turn.
        if isIncomplete { vacantSince = now }
        backoffUntil = now + Nanoseconds(nanoseconds: wait)
        for request in candidate.unfinished.requests.takeAll() { context.turnAway(request, hint: leaderHint) }
        for case let request? in candidate.unfinished.proposals.map(\.request) {
            context.finish(request, .unknown(.leaderLost))
        }
    }

    /// A peer's connection was reset, or it is silent.
    func peerWentDown(_ node: NodeNumber) {
        if leaderHint == node {
            leaderHint = nil
            backoffUntil = min(backoffUntil, now)
        }
        if let leader, let index = quorum.index(of: node) { leaveWindows(of: index, leader) }
        hedge(without: node)
        considerElection()
    }

    /// A peer is in touch; `last` is the process of it that was before, if any.
    func peerCameUp(_ node: NodeNumber, boot: UInt64, last: UInt64?) {
        // Another process does not lead any more. One heard to lead before it was in touch at all does.
        let isAnother = last.map { $0 != boot } ?? !hasHeardLeader
        if isAnother, leaderHint == node { leaderHint = nil }
        guard let leader, let index = quorum.index(of: node) else { return }
        sendSkipped(to: index, leader)
        // A new process may have lost what it had accepted without syncing.
        if last != boot {
            endComparison(with: index, leader)
            leader.progress[index].restart()
        }
        releaseHeld()
    }
}
