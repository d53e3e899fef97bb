/// One node's part in one partition: an acceptor always, a candidate or the leader at times.
///
/// The protocol is CASPaxos (Rystsov, "CASPaxos: Replicated State Machines without logs"): a Paxos register per key,
/// with the prepare phase done once for the whole partition, as Multi-Paxos does. docs/protocol.md states the
/// invariants.
final class Replica {
    let partition: PartitionID
    let context: ReplicaContext
    private(set) var quorum: Quorum
    /// The epoch that last changed this partition: requests of another configuration are not for this one.
    private(set) var changed: Epoch
    /// This node's index in the quorum.
    private(set) var ownIndex: Int
    /// The other members' indices, in the order in which they are asked to confirm: by number, from this node's on.
    private(set) var confirmers: [Int]
    /// What this node's leaders have under way to each member, by index.
    private(set) var windows: [PeerWindow] = []

    /// The highest ballot promised.
    var promise: Ballot
    /// At least `promise`: rounds of new ballots go above it.
    var highestSeen: Ballot
    /// Where this partition's newest change is in the store's log. What tells of its records waits until this is
    /// durable.
    var lastAppend: LogPosition = 0
    /// Where its newest promise, wipe or purge floor is. What tells of it, or rests on it, waits until this is synced.
    private var lastState: LogPosition = 0

    /// This copy may lack records that this node has acknowledged: see Abstaining.swift.
    var isIncomplete = false
    /// The ballot whose leader counts with that, and is told what is here nevertheless.
    var toldBallot = Ballot.zero
    /// Its records are synced in every mode: the topology is to survive what clients' data does not.
    private let syncsAlways: Bool

    /// Who leads, to the best of this node's knowledge, and when it last showed.
    var leaderHint: NodeNumber?
    /// That is by what this process has heard, not by what a former one had promised.
    var hasHeardLeader = false
    var leaderHeard: Instant
    /// Since when nobody has seemed to lead.
    var vacantSince: Instant?
    /// No candidacy before then.
    var backoffUntil: Instant

    var candidate: Candidate?
    var leader: Leader?
    /// What `majorityIsUp` found, as of the context's `touch`.
    var majorityTouch: UInt64 = 0
    var majorityInTouch = false
    /// Whether it is among the context's dirty partitions.
    var isDirty = false
    /// Whether it is among the context's hedged partitions.
    var isHedged = false
    /// Whether it is among the context's partitions that wait to be allowed to move more.
    var isThrottled = false

    /// Nil unless this node is in the partition's replica set.
    init?(partition: PartitionID, assignment: Assignment, context: ReplicaContext) {
        let quorum = Quorum(assignment)
        guard let ownIndex = quorum.index(of: context.me) else { return nil }
        self.partition = partition
        self.context = context
        self.quorum = quorum
        self.ownIndex = ownIndex
        confirmers = quorum.indices(after: ownIndex)
        changed = assignment.changed
        syncsAlways = Int(partition.raw) == context.partitionCount
        isIncomplete = context.mayLackRecords && !syncsAlways && !context.breaks(.abstainWhenIncomplete)
        if isIncomplete { context.incompletePartitions += 1 }
        promise = context.store.promise(partition)
        highestSeen = promise
        leaderHeard = context.now.monotonic
        backoffUntil = context.now.monotonic
        if promise != .zero, promise.node != context.me { leaderHint = promise.node }
        windows = makeWindows()
        beginMembership(assignment)
    }

    /// A membership that lapsed begins again from nothing, however briefly it lapsed: what was kept from before may
    /// have been deleted and purged by those who stayed.
    private func beginMembership(_ assignment: Assignment) {
        guard let since = assignment.since(context.me), since != context.store.membership(partition) else { return }
        guard !context.breaks(.wipeLapsed) || context.store.membership(partition) == 0 else { return }
        if context.store.membership(partition) != 0 { context.decide(.wipeLapsed) }
        context.store.wipe(partition, membership: since)
        appendedState()
        // Invariant 13: a copy is of one membership. Under this one it has acknowledged nothing.
        assert(context.store.membership(partition) == since, "what is wiped is of the new membership")
        becomeComplete()
    }

    /// Goes by another assignment from now on. A leader prepares anew under it at once, and re-proposes with what it
    /// has under way.
    ///
    /// - Parameter assignment: one that this node belongs to.
    func reconfigure(_ assignment: Assignment) {
        let quorum = Quorum(assignment)
        guard let ownIndex = quorum.index(of: context.me) else {
            return assertionFailure("a replica goes by assignments that its node belongs to")
        }
        // Invariant 10: it never falls back from a configuration.
        assert(assignment.changed >= changed, "a replica goes by newer assignments only")
        let unfinished = endLeadership()
        self.quorum = quorum
        self.ownIndex = ownIndex
        confirmers = quorum.indices(after: ownIndex)
        windows = makeWindows()
        majorityTouch = 0
        changed = assignment.changed
        vacantSince = nil
        // Who has left it will not lead it again, however alive.
        if let hint = leaderHint, quorum.index(of: hint) == nil { leaderHint = nil }
        beginMembership(assignment)
        if let unfinished { prepare(unfinished) }
    }

    var now: Instant { context.now.monotonic }

    func header(_ ballot: Ballot) -> PartitionHeader {
        PartitionHeader(partition: partition, epoch: changed, ballot: ballot)
    }

    /// Whether a request may be acted on: it comes from a replica of this partition, under its present configuration.
    func admits(_ header: PartitionHeader, from node: NodeNumber) -> Bool {
        // Invariant 10: one configuration at a time.
        guard header.epoch == changed || context.breaks(.compareEpochs) else {
            context.decide(.compareEpochs)
            // (A later configuration than this node's does not get here: the shard has it wait.)
            if header.epoch < changed { context.send(node, .shards(.outdated(epoch: context.epoch))) }
            return false
        }
        return header.ballot.node == node && quorum.index(of: node) != nil
    }

    /// Finds what an answer is for.
    ///
    /// - Returns: the leader and the answering replica's index; nil for a late answer, to an earlier leadership or
    ///   configuration.
    func leader(answered header: PartitionHeader, by node: NodeNumber) -> (Leader, Int)? {
        guard let leader, leader.ballot == header.ballot, let index = quorum.index(of: node) else { return nil }
        return (leader, index)
    }

    /// Promises `ballot`, which must be higher than the promise held, and gives up whatever rested on a lower one.
    func raisePromise(to ballot: Ballot) {
        // Invariant 1: promises hold. What tells of this one waits until it is synced (`answerWhenDurable`).
        assert(ballot > promise, "a promise is only ever raised")
        promise = ballot
        highestSeen = max(highestSeen, ballot)
        context.store.setPromise(partition, ballot)
        appendedState()
        if let leader, leader.ballot < ballot { stepDown(hint: ballot.node) }
        if let candidate, candidate.ballot < ballot { abandonCandidacy(hint: ballot.node) }
    }

    func sawLeader(_ node: NodeNumber) {
        leaderHint = node
        leaderHeard = now
        hasHeardLeader = true
        vacantSince = nil
        // It asked whether anybody sees a leader, and here is one. (A ballot that is prepared is beyond recall.)
        if candidate?.phase == .preVoting { abandonCandidacy(hint: nil) }
    }

    /// The leader is sending something long, and cannot show itself meanwhile.
    func isReading(from node: NodeNumber) {
        if leaderHint == node, hasHeardLeader { leaderHeard = now }
    }

    /// A record has been put into the store.
    func appendedRecord() {
        guard syncsAlways else { return lastAppend = context.store.appended }
        context.store.requireSync()
        appendedState()
    }

    func appendedState() {
        lastAppend = context.store.appended
        lastState = lastAppend
    }

    private var isDurable: Bool { lastAppend <= context.store.durable && lastState <= context.store.synced }

    /// Performs `action` once all that this partition's copy holds is durable: at the end of this tick, where it is
    /// already.
    func whenDurable(_ action: DeferredAction) { context.after(lastAppend, synced: lastState, action) }

    /// Answers once all that this partition's copy holds is durable.
    ///
    /// Invariant 7: only what is durable is told.
    func answerWhenDurable(_ node: NodeNumber, _ message: PeerMessage) {
        if isDurable { context.send(node, message) } else { whenDurable(.send(node, message)) }
    }

    /// False, with a rejection sent, when a higher ballot has been promised. A higher ballot than the promise raises
    /// it: its owner has been promised by a majority already.
    func obeys(_ header: PartitionHeader, from node: NodeNumber) -> Bool {
        // Invariant 1: a replica never acts for a ballot below its promise.
        guard header.ballot >= promise else {
            context.decide(.keepPromise)
            context.send(node, .replica(self.header(promise), .reject))
            return false
        }
        if header.ballot > promise { raisePromise(to: header.ballot) }
        assert(promise == header.ballot, "whom it obeys has its promise")
        sawLeader(node)
        return true
    }
}

// MARK: - The acceptor

extension Replica {
    func receivePrepare(_ header: PartitionHeader, from node: NodeNumber) {
        guard admits(header, from: node), obeys(header, from: node), !abstains(from: header, asked: node) else {
            return
        }
        // The root is of what is held now: nothing below this ballot can be accepted any more.
        let root = context.store.tree(partition).root
        answerWhenDurable(
            node,
            .replica(
                header,
                .promise(
                    root: root.digest, contents: root.contents, floor: context.store.purgeFloor(partition))))
    }

    func receiveAccept(_ header: PartitionHeader, key: Key, record: Record, from node: NodeNumber) {
        guard admits(header, from: node), record.version.ballot <= header.ballot, obeys(header, from: node)
        else { return }
        let hash = KeyHash(key)
        let held = context.store.head(partition, key, hash)?.version ?? .zero
        // Invariant 3: versions only grow.
        if record.version > held {
            // A replica whose disk is full, or does not keep up, stays silent: it is repaired when there is room.
            guard record.value == nil || context.store.acceptsCopies else { return }
            context.store.put(partition, key, record, hash)
            appendedRecord()
        } else {
            context.decide(.growVersions)
        }
        whenDurable(.acknowledge(node, header, record.version))
    }

    func receiveConfirm(_ header: PartitionHeader, round: UInt64, from node: NodeNumber) {
        guard admits(header, from: node), obeys(header, from: node) else { return }
        context.send(node, .replica(header, .confirmed(round: round)))
    }

    func receiveRead(_ header: PartitionHeader, id: UInt64, key: Key, from node: NodeNumber) {
        guard admits(header, from: node), obeys(header, from: node), !abstains(from: header, asked: node) else {
            return
        }
        switch context.store.read(partition, key) {
        case .absent: answerWhenDurable(node, .replica(header, .readResult(id: id, key: key, record: nil)))
        case .found(let record):
            answerWhenDurable(node, .replica(header, .readResult(id: id, key: key, record: record)))
        case .onDisk(let ticket): context.load(ticket, for: .readResult(header, id: id, key: key, to: node))
        }
    }

    func receiveLeaves(_ header: PartitionHeader, floor: Version, from node: NodeNumber) {
        guard admits(header, from: node), obeys(header, from: node), !abstains(from: header, asked: node) else {
            return
        }
        raiseFloor(to: floor)
        let tree = context.store.tree(partition)
        answerWhenDurable(
            node,
            .replica(
                header,
                .leavesResult(
                    floor: context.store.purgeFloor(partition), leaves: tree.digests, contents: tree.contents)))
    }

    func receiveEntries(_ header: PartitionHeader, leaf: UInt16, from node: NodeNumber) {
        guard admits(header, from: node), leaf < HashTree.leafCount, obeys(header, from: node),
            !abstains(from: header, asked: node)
        else { return }
        var entries: [KeyVersion] = []
        context.store.forEach(partition, leaf: Int(leaf)) { key, head, checksum in
            entries.append(KeyVersion(key: key, version: head.version, checksum: checksum))
        }
        entries.sort { $0.key < $1.key }
        answerWhenDurable(node, .replica(header, .entriesResult(leaf: leaf, entries: entries)))
    }

    /// A read of this copy for anybody, under no ballot.
    func receiveQuorumRead(_ header: RequestHeader, from node: NodeNumber) {
        let (id, key, epoch) = (header.id, header.key, header.epoch)
        guard epoch == changed || context.breaks(.compareEpochs) else {
            if epoch < changed { context.send(node, .shards(.outdated(epoch: context.epoch))) }
            return
        }
        guard !isIncomplete else { return }
        switch context.store.read(partition, key) {
        case .absent: answerWhenDurable(node, .reply(id, .quorumReadReply(nil)))
        case .found(let record): answerWhenDurable(node, .reply(id, .quorumReadReply(record)))
        case .onDisk(let ticket): context.load(ticket, for: .quorumReadReply(id, partition, to: node))
        }
    }

    /// The same for a client of this node: the answer comes as a deferred or loaded `ownQuorumRead`.
    func quorumReadForClient(_ request: Request) {
        guard !isIncomplete else { return whenDurable(.noQuorumRead(request)) }
        switch context.store.read(partition, request.key, request.hash) {
        case .absent: whenDurable(.ownQuorumRead(request, nil))
        case .found(let record): whenDurable(.ownQuorumRead(request, record))
        case .onDisk(let ticket): context.load(ticket, for: .ownQuorumRead(request))
        }
    }

    func receiveLeading(_ ballot: Ballot, from node: NodeNumber) {
        guard ballot.node == node, quorum.index(of: node) != nil else { return }
        highestSeen = max(highestSeen, ballot)
        if ballot >= promise {
            if let leader, leader.ballot < ballot { stepDown(hint: node) }
            sawLeader(node)
        } else {
            context.send(node, .replica(header(promise), .reject))
        }
    }

    /// A higher ballot than ours is promised somewhere; or the sender abstains.
    func receiveReject(_ header: PartitionHeader) {
        highestSeen = max(highestSeen, header.ballot)
        if let leader, leader.ballot < header.ballot { stepDown(hint: header.ballot.node) }
        if let candidate, candidate.ballot < header.ballot { abandonCandidacy(hint: header.ballot.node) }
    }
}
