// Handing a leadership over, without failing a request: the leader comes to rest, holding what arrives, asks its
// successor to prepare, and passes on what it holds when it sees the successor's ballot.

extension Replica {
    /// Who should lead instead: the first of the replica set in touch, or when this node is stopping the first other
    /// one. While the partition moves, only a leader that is to lose it looks for another, among those who are to keep
    /// it.
    var successor: NodeNumber? {
        let before = quorum.isJoint ? quorum.preference : Array(quorum.preference.prefix { $0 != ownIndex })
        let candidates: [Int]
        if context.isDraining || isFull && !quorum.isJoint {
            candidates = quorum.preference
        } else if quorum.isJoint {
            candidates = quorum.stays(ownIndex) ? [] : before.filter(quorum.stays)
        } else {
            candidates = before
        }
        return candidates.map { quorum.members[$0] }.first { member in
            guard member != context.me, !context.isDeclining(member), let since = context.up[member]?.since
            else { return false }
            return context.isDraining || isFull || quorum.isJoint || now - since >= context.options.handbackDelay
        }
    }

    func considerTransfer(_ leader: Leader) {
        guard leader.transfer == nil, leader.isSettled, context.isDraining || now >= leader.nextTransfer,
            context.transfers < context.options.maximumTransfers,
            let target = successor, let index = quorum.index(of: target), leader.progress[index].isLevel,
            !quorum.isJoint || context.isDraining || nextSetIsLevel(leader)
        else { return }
        context.transfers += 1
        context.decide(isFull ? .yieldFull : .transferLeadership)
        leader.transfer = Transfer(target: target, began: now)
        holdBacklogs(leader)
        context.markDirty(self)
    }

    func advanceTransfer(_ leader: Leader) {
        guard let transfer = leader.transfer else { return }
        if now - transfer.began >= context.options.transferTimeout || !context.isUp(transfer.target) {
            return giveUpTransfer(leader)
        }
        guard leader.isAtRest, let index = quorum.index(of: transfer.target),
            leader.log.proposals.allSatisfy({ !$0.isSent || $0.accepted.contains(index) }),
            transfer.sent.map({ now - $0 >= context.options.retry }) ?? true
        else { return }
        leader.transfer?.sent = now
        context.send(transfer.target, .replica(header(leader.ballot), .transfer))
    }
}

extension Replica {
    private func giveUpTransfer(_ leader: Leader) {
        leader.transfer = nil
        context.transfers -= 1
        leader.nextTransfer = now + context.options.handbackDelay
        releaseHeld()
    }

    /// The chosen successor is stopping itself.
    func receiveDeclined(_ header: PartitionHeader, from node: NodeNumber) {
        guard let leader, leader.ballot == header.ballot else { return }
        context.setDeclining(node)
        if leader.transfer?.target == node { giveUpTransfer(leader) }
    }
}

// MARK: - A leader that cannot do its part

extension Replica {
    /// There is no room here for values, and others may have some.
    var isFull: Bool {
        !context.store.acceptsWrites && quorum.members.count > 1 && !context.breaks(.yieldWhenFull)
    }

    /// A leader that hears no majority can have nothing chosen, and may be heard all the same: it would keep the others
    /// from electing another.
    private func considerCompany(_ leader: Leader) {
        if majorityIsUp { return leader.majoritySeen = now }
        guard now - leader.majoritySeen >= context.options.lonely, !context.breaks(.yieldWhenLonely) else { return }
        context.decide(.yieldLonely)
        yield()
    }

    /// Gives up the lead, or the candidacy, as nothing can be chosen here, and asks another to take it at once.
    /// Where there is no other it keeps what it has.
    func yield() {
        guard quorum.members.count > 1 else { return }
        abandonCandidacy(hint: nil)
        guard let leader else { return }
        let request = PeerMessage.replica(header(leader.ballot), .transfer)
        stepDown(hint: nil)
        // It is not the leader that others have heard of last any more.
        leaderHint = nil
        let others = quorum.preference.map { quorum.members[$0] }.filter { member in
            member != context.me && !context.isDeclining(member)
        }
        // Whom it does not hear may hear it.
        if let other = others.first(where: context.isUp) ?? others.first { context.send(other, request) }
    }
}

// MARK: - The passing of time

extension Replica {
    /// To be called a few times in `ShardOptions.retry`.
    func timer() {
        if context.disk.isStalled, !context.breaks(.yieldWhenStalled) {
            if leader != nil, quorum.members.count > 1 { context.decide(.yieldStalled) }
            yield()
        }
        if let leader { considerCompany(leader) }
        guard let leader else {
            advanceCandidacy()
            return considerElection()
        }
        releaseHeld()
        if !leader.isAtRest || !leader.held.isEmpty {
            resendConfirms(leader)
            resendReads(leader)
        }
        sendSkipped(leader)
        resendProposals(leader)
        resendSettling(leader)
        repair(leader)
        retire(leader)
        considerReadiness(leader)
        considerPurge(leader)
        considerTransfer(leader)
        advanceTransfer(leader)
    }
}
