/// The requests and writes in flight that an ended leadership or candidacy leaves to the next leadership of the same
/// node.
struct Unfinished {
    /// Requests that have not been proposed.
    var requests = RequestQueue()
    /// Writes that were proposed and are not known to be chosen.
    var proposals: [InFlight] = []

    struct InFlight {
        let key: Key
        let version: Version
        /// The request that asked for the write; nil if the leader proposed it by itself.
        let request: Request?
    }
}

/// The state of a node that stands for election in one partition.
final class Candidate {
    /// `preVoting`: nothing has been promised. `preparing`: the node has promised its own ballot, and the promise is
    /// durable or about to be.
    enum Phase { case preVoting, preparing }

    var phase: Phase
    let ballot: Ballot
    /// The ballot of the leader that has given up the lead to this node; zero if none has.
    var released = Ballot.zero
    let began: Instant
    var sent: Instant
    /// The replicas that have granted the pre-vote, or have promised.
    var supporters = ReplicaMask()
    /// The replicas that have promised and abstain: they may lack records that they have acknowledged.
    var abstainers = ReplicaMask()
    /// The replicas that have refused the pre-vote.
    var refusers = ReplicaMask()
    /// The root of each replica's hash tree, as its promise reported it, with its purge floor. The candidate's own is
    /// taken when it is elected.
    var roots: [Int: Root] = [:]
    /// The requests that arrived meanwhile, and what the last leadership of this node has left.
    var unfinished: Unfinished

    struct Root {
        var digest: Digest
        var contents: UInt64?
        var floor: Version
    }

    /// The replicas that have promised, abstaining ones included.
    var promised: ReplicaMask { supporters.union(abstainers) }

    init(phase: Phase, ballot: Ballot, unfinished: Unfinished = Unfinished(), now: Instant) {
        self.phase = phase
        self.ballot = ballot
        self.unfinished = unfinished
        began = now
        sent = now
    }
}

// MARK: - Standing for election: the leader should be the first of the replica set that is in touch

extension Replica {
    private var leaderSeemsAlive: Bool {
        guard let leaderHint, leaderHint != context.me else { return false }
        return context.isInTurn(leaderHint) && !context.isOverdue(leaderHint, heard: leaderHeard)
    }

    /// The time until which its leader seems alive without being heard again; nil if the leader does not seem alive or
    /// is not in touch, or did not seem alive at the last look. A follower whose leader is listed is woken when the
    /// list grows stale.
    var followerRestsUntil: Instant? {
        guard leaderSeemsAlive, vacantSince == nil, let leaderHint, context.isUp(leaderHint) else { return nil }
        guard let listed = context.listings[partition] else {
            return context.overdue(leaderHint, heard: leaderHeard)
        }
        return listed.node == leaderHint && listed.isFresh ? .distantFuture : nil
    }

    /// True if this node and the peers that it is in touch with are a majority.
    var majorityIsUp: Bool {
        if majorityTouch == context.touch { return majorityInTouch }
        var mask = ReplicaMask()
        for (index, member) in quorum.members.enumerated() where context.isUp(member) { mask.insert(index) }
        majorityTouch = context.touch
        majorityInTouch = quorum.isMet(by: mask)
        return majorityInTouch
    }

    /// True if this node cannot lead because its disk has stalled: not even its own promise would become durable. The
    /// only replica of a partition stands for election nevertheless, since nobody else can.
    private var isDisabled: Bool {
        context.disk.isStalled && quorum.members.count > 1 && !context.breaks(.yieldWhenStalled)
    }

    func considerElection() {
        hearListed()
        guard leader == nil, candidate == nil, !context.isDraining, !isDisabled, now >= backoffUntil else { return }
        guard !leaderSeemsAlive else { return vacantSince = nil }
        guard majorityIsUp else { return }
        let since = vacantSince ?? now
        vacantSince = since
        guard !isBound(against: context.me) else { return }
        let rank = quorum.preference.prefix { $0 != ownIndex }.count { context.isInTurn(quorum.members[$0]) }
        // A replica whose disk rests after a stall or is full, or whose copy is incomplete, comes after all others. It
        // may still be elected if none of them is.
        let needsAll = isIncomplete && quorum.members.count > 1
        let isLast = context.disk.isResting(at: now) || isFull || needsAll
        let place = rank + (isLast ? quorum.members.count : 0)
        var turn = Nanoseconds(nanoseconds: context.options.stagger.nanoseconds * UInt64(place))
        // An incomplete replica needs the promises of all replicas. They take it for their leader once they have
        // promised, and elect nobody for `leaderTimeout`, so whole replicas have their turns first.
        if needsAll {
            turn = Nanoseconds(nanoseconds: turn.nanoseconds + context.options.leaderTimeout.nanoseconds)
        }
        guard now - since >= turn else { return }
        preVote()
    }

    /// Makes a ballot above all that this node has seen.
    ///
    /// - Returns: The ballot; nil if no higher round exists, because a peer has reported an impossibly high one. A
    ///   ballot must never be used twice.
    private func nextBallot() -> Ballot? {
        let round = max(highestSeen, promise).round
        return round < Ballot.maximumRound ? Ballot(round: round + 1, node: context.me) : nil
    }

    private func preVote() {
        guard let ballot = nextBallot() else { return }
        let candidate = Candidate(phase: .preVoting, ballot: ballot, now: now)
        candidate.supporters.insert(ownIndex)
        self.candidate = candidate
        // A later `prepare` takes a higher ballot than this pre-vote. Otherwise a late refusal of the pre-vote could be
        // mistaken for a refused leadership transfer.
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
        hearListed()
        // If another node became leader now, the outcome of the changes that this node is about to re-propose would be
        // unknown.
        let isReproposing = candidate?.phase == .preparing && candidate?.unfinished.proposals.isEmpty == false
        let granted =
            leader == nil && !isReproposing && (!leaderSeemsAlive || leaderHint == node) && !isBound(against: node)
        if !granted { context.decide(.seeLeader) }
        context.send(node, .replica(header, .preVoteResult(granted: granted, promised: max(promise, highestSeen))))
    }

    func receivePreVoteResult(_ header: PartitionHeader, granted: Bool, promised: Ballot, from node: NodeNumber) {
        highestSeen = max(highestSeen, promised)
        if !granted { receiveDeclined(header, from: node) }
        // Late: this node does not ask any more, or it asks for another ballot.
        guard let candidate, candidate.phase == .preVoting, candidate.ballot == header.ballot,
            let index = quorum.index(of: node)
        else { return }
        guard granted else {
            candidate.refusers.insert(index)
            var others = ReplicaMask()
            // Replicas that are out of touch cannot be counted on to grant it.
            for other in quorum.members.indices
            where !candidate.refusers.contains(other) && context.isUp(quorum.members[other]) {
                others.insert(other)
            }
            // The leader that they see will send a heartbeat. If none comes, this node asks again.
            if !quorum.isMet(by: others) { abandonCandidacy(hint: nil) }
            return
        }
        candidate.supporters.insert(index)
        if quorum.isMet(by: candidate.supporters) { prepare(candidate.unfinished) }
    }

    /// Handles a leadership transfer from the leader: prepares at once, or declines.
    func receiveTransfer(_ header: PartitionHeader, from node: NodeNumber) {
        guard admits(header, from: node), header.ballot >= promise, leader == nil else { return }
        let isReleased = isReleased(by: header.ballot) || !isBound(against: context.me)
        let isAble = majorityIsUp && isReleased && (!context.disk.isResting(at: now) || quorum.members.count == 1)
        guard !context.isDraining, !isFull, !isIncomplete, isAble else {
            return context.send(node, .replica(header, .preVoteResult(granted: false, promised: promise)))
        }
        highestSeen = max(highestSeen, header.ballot)
        if let candidate, candidate.phase == .preparing { return }
        prepare(candidate?.unfinished ?? Unfinished(), after: header.ballot)
    }

    /// - Parameter released: The ballot of the leader that has given up the lead to this node; zero if none has.
    func prepare(_ unfinished: Unfinished, after released: Ballot = .zero) {
        let ballot = nextBallot()
        let candidate = Candidate(phase: .preparing, ballot: ballot ?? promise, unfinished: unfinished, now: now)
        candidate.released = released
        assert(leader == nil, "a leader gives up what it has before it prepares anew")
        self.candidate = candidate
        let isReleased = isReleased(by: released)
        guard ballot != nil, isReleased || !isBound(against: context.me) else { return abandonCandidacy(hint: nil) }
        // Invariant 2: a ballot belongs to one process of one node.
        assert(candidate.ballot.node == context.me && candidate.ballot > promise, "a ballot is prepared once")
        // Its own promise comes first, and is durable before any other node hears of the ballot. So no ballot is used
        // twice.
        raisePromise(to: candidate.ballot, isReleased: isReleased)
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
            let released = context.relays(member) ? released(for: candidate) : []
            for ballot in released {
                context.send(member, .replica(header(candidate.ballot), .prepareAfter(released: ballot)))
            }
            if released.isEmpty { context.send(member, .replica(header(candidate.ballot), .prepare)) }
        }
    }

    /// Under which ballots nobody leads any more: that of the leader that has asked this node to lead, and whatever
    /// those who have promised may have led under before.
    private func released(for candidate: Candidate) -> [Ballot] {
        var released = candidate.released == .zero ? [] : [candidate.released]
        for (index, member) in quorum.members.enumerated() where index != ownIndex && candidate.promised.contains(index)
        {
            let round = candidate.ballot.round - (member < candidate.ballot.node ? 0 : 1)
            if round > 0 { released.append(Ballot(round: round, node: member)) }
        }
        return released
    }

    func receivePromise(_ header: PartitionHeader, root: Candidate.Root, from node: NodeNumber) {
        // Late: the promise is for an earlier ballot, or this node has been elected.
        guard let candidate, candidate.phase == .preparing, candidate.ballot == header.ballot,
            let index = quorum.index(of: node)
        else { return }
        candidate.supporters.insert(index)
        if candidate.roots[index] == nil { candidate.roots[index] = root }
        electIfPromised(candidate)
    }

    /// Becomes the leader if a majority of whole copies has promised, its own among them, or if all replicas have
    /// promised.
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
            // A replica that refused may have noticed since that the leader it saw is gone.
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
        // A pre-vote disturbs nobody, so it may be repeated sooner.
        let longest = context.options.backoff.nanoseconds / (candidate.phase == .preVoting ? 4 : 1)
        let wait = context.random.next(upperBound: max(longest, 1))
        // An incomplete replica waits for its whole turn again, so that whole replicas come first.
        if isIncomplete { vacantSince = now }
        backoffUntil = now + Nanoseconds(nanoseconds: wait)
        for request in candidate.unfinished.requests.takeAll() { context.turnAway(request, hint: leaderHint) }
        for case let request? in candidate.unfinished.proposals.map(\.request) {
            context.finish(request, .unknown(.leaderLost))
        }
    }

    /// Handles the loss of a peer: its connection was reset, or it is silent.
    func peerWentDown(_ node: NodeNumber) {
        forgetListed(by: node)
        if leaderHint == node {
            leaderHint = nil
            backoffUntil = min(backoffUntil, now)
        }
        if let leader, let index = quorum.index(of: node) { leaveWindows(of: index, leader) }
        hedge(without: node)
        considerElection()
    }

    /// Handles a peer that has come in touch. `boot` is the boot counter of its process; `last` is the one that it had
    /// when it was last in touch, nil if it never was.
    func peerCameUp(_ node: NodeNumber, boot: UInt64, last: UInt64?) {
        // A new process of the leader does not lead. At the first contact with a peer, the hint stays only if this
        // process has learned it from a message.
        let isAnother = last.map { $0 != boot } ?? !hasHeardLeader
        if isAnother {
            forgetListed(by: node)
            if leaderHint == node { leaderHint = nil }
        }
        guard let leader, let index = quorum.index(of: node) else { return }
        sendSkipped(to: index, leader)
        // A new process may have lost records that it had accepted and not synced.
        if last != boot {
            endComparison(with: index, leader)
            leader.progress[index].restart()
        }
        releaseHeld()
    }
}
