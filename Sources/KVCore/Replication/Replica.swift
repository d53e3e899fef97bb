/// One node's part in one partition. It is always an acceptor, and at times a candidate or the leader.
///
/// The protocol is CASPaxos (Rystsov, "CASPaxos: Replicated State Machines without logs"): a Paxos register per key,
/// with the prepare phase done once for the whole partition, as Multi-Paxos does. docs/protocol.md states the
/// invariants.
final class Replica {
    let partition: PartitionID
    let context: ReplicaContext
    private(set) var quorum: Quorum
    /// The epoch that last changed this partition. Requests of another configuration are refused.
    private(set) var changed: Epoch
    /// This node's index in the quorum.
    private(set) var ownIndex: Int
    /// The other members' indices, in the order in which they are asked to confirm: by node number, beginning after
    /// this node.
    private(set) var confirmers: [Int]
    /// The window of each member, by index: the changes that leaders of this node have sent it and that it has not
    /// answered.
    private(set) var windows: [PeerWindow] = []
    /// The support of each member, by index; this node's own says nothing.
    private(set) var supports: [PeerSupport] = []

    /// The highest ballot promised.
    var promise: Ballot
    /// Support for the node that has the promise counts here no longer than until then; nil where that node belongs to
    /// the partition (Leases.swift).
    var boundUntil: Instant?
    /// What this node last gave up because it cannot lead, and whom it has asked to lead instead.
    var yielded: YieldedLead?
    /// The highest ballot that this node knows of, at least `promise`. A new ballot takes a higher round.
    var highestSeen: Ballot
    /// The position of this partition's newest change in the store's log. An answer that tells of its records waits
    /// until this position is durable.
    var lastAppend: LogPosition = 0
    /// The position of its newest promise, wipe or purge floor. An action that tells of one of them, or rests on it,
    /// waits until this position is synced.
    private var lastState: LogPosition = 0

    /// True if this copy may lack records that this node has acknowledged (Abstaining.swift).
    var isIncomplete = false
    /// The ballot whose leader has sent `consult`: it allows for what this copy may lack, so this copy answers it
    /// although it is incomplete.
    var consultBallot = Ballot.zero
    /// True if records are synced in every sync mode: those of the metadata quorum's partition, because the topology
    /// must survive failures that may cost clients' data.
    private let syncsAlways: Bool

    /// The leader, as far as this node knows.
    var leaderHint: NodeNumber? { didSet { context.leadEdits &+= 1 } }
    /// True if this process has learned `leaderHint` from a message. Otherwise the hint comes from the promise of an
    /// earlier process.
    var hasHeardLeader = false
    var leaderHeard: Instant
    /// The last heartbeat of a node that lists this partition which was taken note of (`hearListed`).
    var listedHeard = Instant(nanoseconds: 0)
    /// Since when this node has seen no leader.
    var vacantSince: Instant?
    /// This node does not stand for election before this time.
    var backoffUntil: Instant

    var candidate: Candidate?
    var leader: Leader? { didSet { context.noteLead(of: self) } }
    /// The value of the context's `touch` for which `majorityInTouch` was computed.
    var majorityTouch: UInt64 = 0
    var majorityInTouch = false
    /// What it has served since this node took it on.
    var served = ServedCounts()
    /// True if it is among the context's resized partitions.
    var isResized = false
    /// True if it is among the context's dirty partitions.
    var isDirty = false
    /// The index of this replica among the replicas of its shard.
    var place = 0
    /// True if it is among the context's hedged partitions.
    var isHedged = false
    /// True if it is among the context's throttled partitions.
    var isThrottled = false

    /// Returns nil if this node is not in the partition's replica set.
    init?(partition: PartitionID, assignment: Assignment, context: ReplicaContext) {
        let quorum = Quorum(assignment)
        guard let ownIndex = quorum.index(of: context.me) else { return nil }
        self.partition = partition
        self.context = context
        self.quorum = quorum
        self.ownIndex = ownIndex
        confirmers = quorum.indices(after: ownIndex)
        changed = assignment.changed
        syncsAlways = partition == context.slots.metadataPartition
        isIncomplete = context.mayLackRecords && !syncsAlways && !context.breaks(.abstainWhenIncomplete)
        if isIncomplete { context.incompletePartitions += 1 }
        promise = context.store.promise(partition)
        highestSeen = promise
        leaderHeard = context.now.monotonic
        backoffUntil = context.now.monotonic
        if promise != .zero, promise.node != context.me { leaderHint = promise.node }
        windows = makeWindows()
        supports = makeSupports()
        beginMembership(assignment)
        releaseFormerMember()
    }

    /// Begins a new membership with an empty copy. A membership that has lapsed, however briefly, begins anew: the copy
    /// from before may hold records that those who stayed have deleted, and whose tombstones they have purged.
    private func beginMembership(_ assignment: Assignment) {
        guard let since = assignment.since(context.me), since != context.store.membership(partition) else { return }
        guard !context.breaks(.wipeLapsed) || context.store.membership(partition) == 0 else { return }
        if context.store.membership(partition) != 0 { context.decide(.wipeLapsed) }
        context.store.wipe(partition, membership: since)
        appendedState()
        // Invariant 13: a copy is of one membership. Under the new one this node has acknowledged nothing, so the copy
        // lacks nothing.
        assert(context.store.membership(partition) == since, "a wiped copy is of the new membership")
        becomeComplete()
    }

    /// Takes on another assignment. A leader prepares anew under it at once, and then re-proposes its writes in flight.
    ///
    /// - Parameter assignment: An assignment that this node belongs to.
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
        supports = makeSupports()
        majorityTouch = 0
        changed = assignment.changed
        vacantSince = nil
        // A node that has left the partition will not lead it again, even if it is alive.
        if let hint = leaderHint, quorum.index(of: hint) == nil { leaderHint = nil }
        beginMembership(assignment)
        boundUntil = nil
        releaseFormerMember()
        if let unfinished { prepare(unfinished) }
    }

    var now: Instant { context.now.monotonic }

    func header(_ ballot: Ballot) -> PartitionHeader {
        PartitionHeader(partition: partition, epoch: changed, ballot: ballot)
    }

    /// True if a request may be acted on: it comes from a replica of this partition, under the present configuration.
    /// Answers `outdated` to a request of an earlier configuration.
    func admits(_ header: PartitionHeader, from node: NodeNumber) -> Bool {
        // Invariant 10: one configuration at a time.
        guard header.epoch == changed || context.breaks(.compareEpochs) else {
            context.decide(.compareEpochs)
            // (The shard keeps requests of a later configuration until the node knows it.)
            if header.epoch < changed { context.send(node, .shards(.outdated(epoch: context.epoch))) }
            return false
        }
        return header.ballot.node == node && quorum.index(of: node) != nil
    }

    /// Finds the leader that an answer is for.
    ///
    /// - Returns: The leader and the answering replica's index; nil for a late answer, to an earlier leadership or
    ///   configuration.
    func leader(answered header: PartitionHeader, by node: NodeNumber) -> (Leader, Int)? {
        guard let leader, leader.ballot == header.ballot, let index = quorum.index(of: node) else { return nil }
        return (leader, index)
    }

    /// Promises `ballot`, which must be higher than the present promise. A leadership or candidacy under a lower ballot
    /// ends.
    ///
    /// - Parameter isReleased: The node that has the promise gives it to the ballot's.
    func raisePromise(to ballot: Ballot, isReleased: Bool = false) {
        // Invariant 1: promises hold. An answer that tells of this one waits until it is synced (`answerWhenDurable`).
        assert(ballot > promise, "a promise is only ever raised")
        if promise != .zero, promise.node != ballot.node, !isReleased { context.leases.take(from: promise.node) }
        promise = ballot
        (boundUntil, yielded) = (nil, nil)
        highestSeen = max(highestSeen, ballot)
        context.store.setPromise(partition, ballot)
        appendedState()
        if let leader, leader.ballot < ballot { stepDown(hint: ballot.node) }
        if let candidate, candidate.ballot < ballot { abandonCandidacy(hint: ballot.node) }
    }

    func sawLeader(_ node: NodeNumber) { sawLeader(node, heard: now) }

    /// - Parameter heard: When the leader was heard.
    func sawLeader(_ node: NodeNumber, heard: Instant) {
        if leaderHint == node {
            leaderHeard = max(leaderHeard, heard)
        } else {
            leaderHint = node
            leaderHeard = heard
        }
        hasHeardLeader = true
        vacantSince = nil
        // A pre-vote asks whether anybody sees a leader, and this node now does. (A ballot that has been prepared
        // cannot be taken back.)
        if candidate?.phase == .preVoting { abandonCandidacy(hint: nil) }
    }

    /// Notes when `node` was last heard to lead this partition, if it is the leader as far as this node knows.
    func noteHeard(_ node: NodeNumber, at time: Instant) {
        if leaderHint == node, hasHeardLeader { leaderHeard = max(leaderHeard, time) }
    }

    /// Notes the log position of a record that has just been put into the store.
    func appendedRecord() {
        context.noteResized(self)
        guard syncsAlways else { return lastAppend = context.store.appended }
        context.store.requireSync()
        appendedState()
    }

    func appendedState() {
        context.noteResized(self)
        lastAppend = context.store.appended
        lastState = lastAppend
    }

    private var isDurable: Bool { lastAppend <= context.store.durable && isPromiseSynced }

    /// Whether the present promise would survive a power loss.
    var isPromiseSynced: Bool { lastState <= context.store.synced }

    /// Performs `action` once everything that this partition's copy holds is durable. If it is durable already, the
    /// action is performed at the end of this tick.
    func whenDurable(_ action: DeferredAction) { context.after(lastAppend, synced: lastState, action) }

    /// Sends an answer once everything that this partition's copy holds is durable.
    ///
    /// Invariant 7: only what is durable is told.
    func answerWhenDurable(_ node: NodeNumber, _ message: PeerMessage) {
        if isDurable { context.send(node, message) } else { whenDurable(.send(node, message)) }
    }

    /// Decides whether a request's ballot may be obeyed. A ballot below the promise is rejected. A ballot above it
    /// raises the promise: a `prepare` asks for that, and for every other request a majority has promised the ballot
    /// already.
    ///
    /// - Parameter isReleased: The node that has the promise gives it to the ballot's.
    /// - Returns: False if a higher ballot has been promised; a `reject` has then been sent.
    func obeys(_ header: PartitionHeader, isReleased: Bool = false, from node: NodeNumber) -> Bool {
        // Invariant 1: a replica never acts for a ballot below its promise.
        guard header.ballot >= promise else {
            context.decide(.keepPromise)
            context.send(node, .replica(self.header(promise), .reject))
            return false
        }
        if header.ballot > promise { raisePromise(to: header.ballot, isReleased: isReleased) }
        assert(promise == header.ballot, "a replica obeys only the ballot that it has promised")
        sawLeader(node)
        return true
    }
}

// MARK: - The acceptor

extension Replica {
    /// Handles a `prepare` that support does not forbid to obey (Leases.swift).
    func promiseAndAnswer(_ header: PartitionHeader, isReleased: Bool, from node: NodeNumber) {
        guard obeys(header, isReleased: isReleased, from: node), !abstains(from: header, asked: node) else { return }
        // The root covers the records held now. From here on this replica accepts nothing below this ballot.
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
            // A replica whose disk is full, or does not keep up, stays silent. It is repaired when there is room.
            guard record.value == nil || context.store.acceptsCopies else { return }
            context.store.put(partition, key, record, hash)
            appendedRecord()
            served.copies &+= 1
        } else {
            context.decide(.growVersions)
        }
        whenDurable(.acknowledge(node, header, record.version))
    }

    func receiveConfirm(_ header: PartitionHeader, round: UInt64, from node: NodeNumber) {
        guard admits(header, from: node), obeys(header, from: node) else { return }
        context.send(node, .replica(header, .confirmed(round: round, mark: promiseMark)))
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

    /// Answers a quorum read with this copy's record, under no ballot.
    func receiveQuorumRead(_ header: RequestHeader, from node: NodeNumber) {
        let (id, key, epoch) = (header.id, header.key, header.epoch)
        guard epoch == changed || context.breaks(.compareEpochs) else {
            if epoch < changed { context.send(node, .shards(.outdated(epoch: context.epoch))) }
            return
        }
        guard !isIncomplete else { return }
        served.reads &+= 1
        switch context.store.read(partition, key) {
        case .absent: answerWhenDurable(node, .reply(id, .quorumReadReply(nil)))
        case .found(let record): answerWhenDurable(node, .reply(id, .quorumReadReply(record)))
        case .onDisk(let ticket): context.load(ticket, for: .quorumReadReply(id, partition, to: node))
        }
    }

    /// Reads this copy for a quorum read of this node's own client. The record arrives as a deferred or loaded
    /// `ownQuorumRead`.
    func quorumReadForClient(_ request: Request) {
        guard !isIncomplete else { return whenDurable(.noQuorumRead(request)) }
        served.reads &+= 1
        switch context.store.read(partition, request.key, request.hash) {
        case .absent: whenDurable(.ownQuorumRead(request, nil))
        case .found(let record): whenDurable(.ownQuorumRead(request, record))
        case .onDisk(let ticket): context.load(ticket, for: .ownQuorumRead(request))
        }
    }

    /// Handles a `reject`: the sender has promised a higher ballot, which ends a leadership or candidacy under a lower
    /// one.
    func receiveReject(_ header: PartitionHeader) {
        highestSeen = max(highestSeen, header.ballot)
        if let leader, leader.ballot < header.ballot { stepDown(hint: header.ballot.node) }
        if let candidate, candidate.ballot < header.ballot { abandonCandidacy(hint: header.ballot.node) }
    }
}
