// How a leader transfers the lead without failing a request. It holds arriving requests until nothing is in flight,
// asks its successor to prepare, and passes on the held requests when it sees the successor's ballot.

extension Replica {
    /// The replica that should lead instead of this one; nil if there is none.
    ///
    /// It is the first of the replica set that is in touch and preferred to this node. If this node is stopping, or its
    /// disk is full and the partition does not move, it is the first other one in touch. While the partition moves, a
    /// leader that is not stopping looks for a successor only if it leaves the set, and only among the members that
    /// stay.
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
            // Peers of version 3 of the peer protocol cannot say that they were asked, and others may be needed.
            guard context.relays(member) || quorum.members.count <= 3 else { return false }
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
        // The successor is asked within the first half of the time. Otherwise it might prepare just when this leader
        // has given up waiting for it and proposes again.
        let halves: UInt64 = transfer.sent == nil ? 2 : 1
        let patience = Nanoseconds(nanoseconds: context.options.transferTimeout.nanoseconds / halves)
        if now - transfer.began >= patience || !context.isUp(transfer.target) { return giveUpTransfer(leader) }
        guard leader.isAtRest, let index = quorum.index(of: transfer.target),
            leader.log.proposals.allSatisfy({ !$0.isSent || $0.accepted.contains(index) }),
            transfer.sent.map({ now - $0 >= context.options.retry }) ?? true
        else { return }
        leader.transfer?.sent = now
        leader.isReleased = true
        context.send(transfer.target, .replica(header(leader.ballot), .transfer))
    }
}

extension Replica {
    private func giveUpTransfer(_ leader: Leader) {
        leader.transfer = nil
        context.transfers -= 1
        leader.nextTransfer = now + context.options.handbackDelay
        // The successor may yet prepare. A ballot that it has not been given can be supported again.
        if leader.isReleased, context.leases.mode == .lease {
            context.decide(.releaseLead)
            if !context.breaks(.releaseBeforeTransfer) { return renew() }
        }
        releaseHeld()
    }

    /// Handles a refused leadership transfer: the successor is stopping, or cannot lead for another reason.
    func receiveDeclined(_ header: PartitionHeader, from node: NodeNumber) {
        guard let leader, leader.ballot == header.ballot else { return }
        context.setDeclining(node)
        if leader.transfer?.target == node { giveUpTransfer(leader) }
    }
}

// MARK: - A leader that cannot do its part

extension Replica {
    /// True if this node's disk is full and other replicas may have room.
    var isFull: Bool {
        !context.store.acceptsWrites && quorum.members.count > 1 && !context.breaks(.yieldWhenFull)
    }

    /// Gives up the lead after some time without a majority in touch. Such a leader can have nothing chosen; but others
    /// may still hear its heartbeats, and elect nobody else.
    private func yieldIfLonely(_ leader: Leader) {
        if majorityIsUp { return leader.majoritySeen = now }
        guard now - leader.majoritySeen >= context.options.lonely, !context.breaks(.yieldWhenLonely) else { return }
        context.decide(.yieldLonely)
        yield()
    }

    /// Gives up the lead or the candidacy, because nothing can be chosen here, and asks another replica to prepare at
    /// once. The only replica keeps the lead.
    func yield() {
        guard quorum.members.count > 1 else { return }
        abandonCandidacy(hint: nil)
        guard let leader else { return }
        stepDown(hint: nil)
        // No other leader is known yet.
        leaderHint = nil
        yielded = YieldedLead(ballot: leader.ballot, asked: now)
        let others = quorum.preference.map { quorum.members[$0] }.filter { member in
            member != context.me && !context.isDeclining(member)
        }
        // A replica that this node does not hear may still hear this node.
        if let other = others.first(where: context.isUp) ?? others.first { askToLead(other, leader.ballot) }
    }

    private func askToLead(_ node: NodeNumber, _ ballot: Ballot) {
        context.send(node, .replica(header(ballot), .transfer))
    }

    /// Asks one replica after another to lead, until one does, where this node has given up the lead and cannot take it
    /// back: others may support this node for other partitions' sake, and so elect nobody by themselves.
    private func askAgainToLead() {
        guard var yielded, leader == nil, candidate == nil, now - yielded.asked >= context.options.retry else { return }
        yielded.asked = now
        yielded.times += 1
        self.yielded = yielded
        let others = confirmers.map { quorum.members[$0] }.filter { !context.isDeclining($0) }
        if !others.isEmpty { askToLead(others[yielded.times % others.count], yielded.ballot) }
    }
}

/// A lead that this node has given up.
struct YieldedLead {
    let ballot: Ballot
    /// When a replica was last asked to lead instead.
    var asked: Instant
    var times = 0
}

// MARK: - The passing of time

extension Replica {
    /// Does what is due by time. The shard calls it a few times within `ShardOptions.retry`.
    func timer() {
        if context.disk.isStalled, !context.breaks(.yieldWhenStalled) {
            if leader != nil, quorum.members.count > 1 { context.decide(.yieldStalled) }
            yield()
        }
        if let leader { yieldIfLonely(leader) }
        hearListed()
        guard let leader else {
            askAgainToLead()
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
