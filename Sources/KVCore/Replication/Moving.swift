// How a leader carries out a move: repair brings the joining nodes level, and then the next replica set may become the
// current one.

/// How far a leader has come in preparing the switch to the next replica set.
struct MoveProgress {
    /// True if every record is on majorities of both sets, and this node is in the next set.
    private(set) var isReady = false
    /// The sequence of the mark's proposal; 0 before it. The mark tells later leaders that the move may have been
    /// ready.
    private(set) var mark: UInt64 = 0

    var isMarked: Bool { mark != 0 }

    mutating func noteMark(_ sequence: UInt64) {
        assert(mark == 0, "readiness is marked once")
        mark = sequence
    }

    mutating func becomeReady() { isReady = true }
}

extension Replica {
    /// True if everything in this settled leader's copy is on a majority of the next set. A comparison must have
    /// verified every joining node, and every other replica of the next set that is in touch, and they must be a
    /// majority of that set. (A joining node that is away is waited for: a partition must not give up a copy before it
    /// has the new one.)
    func nextSetIsLevel(_ leader: Leader) -> Bool {
        guard leader.isSettled else { return false }
        var level = ReplicaMask()
        for index in quorum.members.indices where quorum.stays(index) {
            let isLevel = index == ownIndex || leader.progress[index].isLevel && leader.progress[index].isVerified
            if isLevel {
                level.insert(index)
            } else if quorum.isJoiningNode(index) || context.isUp(quorum.members[index]) {
                return false
            }
        }
        return quorum.nextIsMet(by: level)
    }

    /// Has the mark chosen once everything is on majorities of both sets, and then reports the move as ready.
    ///
    /// Everything stays on both majorities: later records are chosen on both, and from then on nothing less counts as
    /// chosen. That holds for later leaders of this configuration too, because they find the mark.
    func considerReadiness(_ leader: Leader) {
        guard quorum.isJoint, !leader.move.isReady, quorum.stays(ownIndex) else { return }
        guard !context.breaks(.settleBeforeSwitch) else { return leader.move.becomeReady() }
        guard leader.transfer == nil else { return }
        guard nextSetIsLevel(leader) else { return context.decide(.levelBeforeSwitch) }
        if !leader.move.isMarked {
            propose(readinessMark, .tombstone, leader)
            leader.move.noteMark(leader.log.last)
        }
        guard leader.log.isChosen(leader.move.mark) else { return }
        // Invariant 11: the mark is chosen only now that majorities of both sets hold the whole copy.
        leader.move.becomeReady()
        context.effects.append(.notice(.ready(partition)))
    }

    /// The key of the mark. The mark is a tombstone, so clients do not see it and it is purged like any other. Each
    /// configuration has another key, and its slot belongs to another partition, also of those that the cluster was
    /// created with, so that no client's key is the same and no split moves it. (In a cluster that was created with one
    /// partition, a client's key could be the same; clients must not use it.)
    private var readinessMark: Key {
        var salt = 0
        while true {
            let key = Key([0] + Array("ready \(changed) \(salt)".utf8))
            let slots = SlotMap(founding: context.slots.founding)
            let isForeign = slots.partition(of: key.slot) != slots.ancestor(of: partition)
            if isForeign || slots.founding == 1 && context.slots.partition(of: key.slot) == partition { return key }
            salt += 1
        }
    }

    /// True if a leader of this configuration may have reported that the move is ready.
    var mayHaveBeenReady: Bool {
        quorum.isJoint && context.store.head(partition, readinessMark) != nil
    }

    /// True if these replicas are enough to tell what was chosen: a record that all of them hold counts as chosen, and
    /// a record that none of them holds is not.
    ///
    /// Until the next set is level, a majority of the present set is enough, because records chosen before the move are
    /// nowhere else. After that (`strictly`) it takes majorities of both sets: a record on less may have been accepted
    /// under a leader of this configuration without being chosen, and the present set may be given up at any time. A
    /// leader that was elected by all replicas needs all of them until it has settled.
    func isReadQuorum(_ mask: ReplicaMask, strictly: Bool) -> Bool {
        if let leader, leader.hearsAll, !leader.isSettled { return mask == quorum.all }
        return strictly ? quorum.isMet(by: mask) : quorum.currentIsMet(by: mask)
    }

    /// A report of the move's progress; nil if this node does not lead the partition, or the partition does not move.
    var moveReport: MoveReport? {
        guard let leader, quorum.isJoint else { return nil }
        let joiningNodes = quorum.members.indices.filter(quorum.isJoiningNode)
        let sent = joiningNodes.reduce(UInt64(0)) { $0 &+ leader.progress[$1].bytesSent }
        let usage = context.store.usage(partition)
        let total = UInt64(max(usage.bytes, 0)) &* UInt64(joiningNodes.count)
        return MoveReport(
            partition: partition, changed: changed, sent: sent, total: max(total, sent), isReady: leader.move.isReady,
            obstacle: leader.move.isReady ? nil : obstacle(leader))
    }

    private func obstacle(_ leader: Leader) -> MoveObstacle? {
        if !leader.isSettled { return .settling }
        for index in quorum.members.indices where quorum.stays(index) && index != ownIndex {
            if !context.isUp(quorum.members[index]) { return .unreachable(quorum.members[index]) }
        }
        for index in quorum.members.indices where leader.progress[index].silence > 1 {
            return .silent(quorum.members[index])
        }
        return context.isMovingPaused ? .paused : nil
    }

    /// Handles a `dropReplica`: a node that has left this partition asks whether it may delete its copy.
    func receiveDropReplica(_ header: PartitionHeader, from node: NodeNumber) {
        guard let leader, leader.isSettled, changed >= header.epoch, quorum.index(of: node) == nil else { return }
        let answer = PartitionHeader(partition: partition, epoch: header.epoch, ballot: leader.ballot)
        context.send(node, .replica(answer, .replicaDropped))
    }
}
