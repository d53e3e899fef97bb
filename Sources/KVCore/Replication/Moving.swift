// How a leader sees a move through: repair brings the joining nodes level, and when they are, the next set may become
// current.

/// How far a leader has come in preparing the switch to the next replica set.
struct MoveProgress {
    /// Every record is on majorities of both sets, and this node is of the next.
    private(set) var isReady = false
    /// The proposal that marks readiness for later leaders; 0 before.
    private(set) var mark: UInt64 = 0

    var isMarked: Bool { mark != 0 }

    mutating func noteMark(_ sequence: UInt64) {
        assert(mark == 0, "readiness is marked once")
        mark = sequence
    }

    mutating func becomeReady() { isReady = true }
}

extension Replica {
    /// Whether everything that this settled leader's copy holds is on a majority of the next set: each joining node
    /// holds it, and each other replica in touch, proved by a comparison of its own, and they are a majority. (A
    /// joining node that is away is waited for: a partition is not to lose a copy before it has the new one.)
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

    /// Once everything was on a majority of the next set, it stays so: what came later was chosen on a majority of
    /// both, and nothing less counts as chosen from then on. That holds for later leaders under this configuration too:
    /// they find the mark, which is chosen before the leader says that it is ready.
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

    /// The key of a tombstone: to clients there is nothing, and it goes as all tombstones go. Of each configuration
    /// another; and of a slot that is another partition's, so that no client's key is the same. (Where one partition
    /// has all slots, the doors' keys cannot be told apart from it: there a client must not use the key.)
    private var readinessMark: Key {
        var salt = 0
        while true {
            let key = Key([0] + Array("ready \(changed) \(salt)".utf8))
            let isForeign = PartitionID(slot: key.slot, partitions: context.partitionCount) != partition
            if isForeign || context.partitionCount == 1 { return key }
            salt += 1
        }
    }

    /// Whether a leader under this configuration may have said that the next set may become the present one.
    var mayHaveBeenReady: Bool {
        quorum.isJoint && context.store.head(partition, readinessMark) != nil
    }

    /// Whether replicas that hold the same prove it to be chosen.
    ///
    /// Until the next set is level, a majority of the present one: what was chosen before the move is nowhere else.
    /// Then a majority of both: less than that may have been accepted by the leaders of this configuration and not been
    /// chosen, and the present set may be done with at any time.
    func prove(_ mask: ReplicaMask, strictly: Bool) -> Bool {
        if let leader, leader.hearsAll, !leader.isSettled { return mask == quorum.all }
        return strictly ? quorum.isMet(by: mask) : quorum.currentIsMet(by: mask)
    }

    /// Nil unless this node leads the partition and it moves.
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

    /// A node that has lost this partition asks whether its copy may go.
    func receiveDropReplica(_ header: PartitionHeader, from node: NodeNumber) {
        guard let leader, leader.isSettled, changed >= header.epoch, quorum.index(of: node) == nil else { return }
        let answer = PartitionHeader(partition: partition, epoch: header.epoch, ballot: leader.ballot)
        context.send(node, .replica(answer, .replicaDropped))
    }
}
