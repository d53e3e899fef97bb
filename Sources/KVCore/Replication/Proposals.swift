// Changes on their way: proposed, sent, accepted, chosen, and let go when every replica has them.

extension Replica {
    /// - Parameters:
    ///   - request: nil for a record that nobody asked for.
    ///   - ground: of the latest record where that is known to be chosen, when it expires; else never.
    func propose(
        _ key: Key, _ draft: Draft, for request: Request? = nil, over ground: Expiry = .never, _ leader: Leader
    ) {
        leader.sequence += 1
        let sequence = leader.sequence
        let previous = leader.inFlight.updateValue(sequence, forKey: key) ?? 0
        var ground = ground
        if let proposal = leader.proposal(previous) {
            proposal.isSuperseded = true
            ground = max(proposal.ground, proposal.record.expiry)
        }
        let record = Record(
            version: Version(ballot: leader.ballot, sequence: sequence), expiry: draft.expiry, value: draft.value,
            contentType: draft.contentType)
        let proposal = Proposal(
            key: key, record: record, request: request, previous: previous, ground: ground, now: now)
        request?.stage = .proposed
        leader.proposals.append(proposal)
        context.proposedBytes += proposal.bytes
        leader.unsent.append(sequence)
        if !leader.unreadable.isEmpty { leader.unreadable.remove(key) }
        if !leader.listings.isEmpty { listProposed(key, leader) }
        context.markDirty(self)
    }

    /// Ends a tick: the changes made in it go out, those to one key as one record, and one confirmation for all its
    /// reads.
    func flush() {
        guard let leader else { return }
        for sequence in leader.unsent {
            guard let proposal = leader.proposal(sequence), !proposal.isSuperseded else { continue }
            proposal.isSent = true
            proposal.sent = now
            proposal.resent = now
            context.store.put(partition, proposal.key, proposal.record, proposal.hash)
            appendedRecord()
            whenDurable(.accepted(partition, leader.ballot, sequence: sequence))
            guard quorum.members.count > 1 else { continue }
            let message = accept(proposal, leader)
            for index in quorum.members.indices where index != ownIndex { send(proposal, message, to: index, leader) }
        }
        leader.unsent.removeAll(keepingCapacity: true)
        sendSkipped(leader)
        beginRound(leader)
        advanceTransfer(leader)
    }

    func receiveAccepted(_ header: PartitionHeader, version: Version, from node: NodeNumber) {
        guard let leader, header.ballot == leader.ballot, let index = quorum.index(of: node) else { return }
        if version.ballot == leader.ballot {
            accepted(version.sequence, by: index, leader)
        }
        mended(version, at: index, leader)
        if leader.transfer != nil { context.markDirty(self) }
    }

    func ownAcceptIsDurable(_ ballot: Ballot, sequence: UInt64) {
        guard let leader, leader.ballot == ballot else { return }
        accepted(sequence, by: ownIndex, leader)
        if leader.transfer != nil { context.markDirty(self) }
    }

    private func accepted(_ sequence: UInt64, by replica: Int, _ leader: Leader) {
        guard let proposal = leader.proposal(sequence) else { return }
        proposal.accepted.insert(replica)
        leaveWindow(proposal, replica)
        if leader.firstSkipped[replica] != .max { context.markDirty(self) }
        if !proposal.isChosen {
            // Its own copy counts among them always, so that a settled leader's copy holds all that is chosen.
            let isChosen = quorum.isMet(by: proposal.accepted) && proposal.accepted.contains(ownIndex)
            guard isChosen || context.breaks(.majorityAcknowledges) else {
                return context.decide(.awaitMajority)
            }
            choose(proposal, leader)
        }
        retire(leader)
    }

    /// A proposal is chosen, and with it the earlier ones of its key.
    private func choose(_ newest: Proposal, _ leader: Leader) {
        // Otherwise a later one is in flight still.
        if !newest.isSuperseded { leader.inFlight[newest.key] = nil }
        var next: Proposal? = newest
        while let proposal = next, !proposal.isChosen {
            proposal.isChosen = true
            if let request = proposal.request {
                context.finish(request, request.written(as: proposal.record.version))
            }
            if !proposal.carried.isEmpty { answerReproposed(proposal) }
            next = leader.proposal(proposal.previous)
        }
        answerWhatMayBe(leader)
        if leader.mark != 0 { considerReadiness(leader) }
        if !leader.backlogs.isEmpty, leader.inFlight[newest.key] == nil {
            advanceBacklogAfterChoice(newest.key, leader)
        }
    }

    private func answerReproposed(_ proposal: Proposal) {
        for (index, change) in proposal.carried.enumerated() {
            guard let request = change.request else { continue }
            let isLast = index == proposal.carried.count - 1
            context.finish(request, request.written(as: isLast ? proposal.record.version : change.version))
        }
    }

    /// Lets go of proposals that every replica has, or that the slow ones must be repaired with.
    func retire(_ leader: Leader) {
        while let first = leader.proposals.first, first.isChosen {
            if first.isSent, first.accepted.count < quorum.members.count {
                let mayWait = context.proposedBytes < context.options.maximumProposedBytes / 2
                for (index, member) in quorum.members.enumerated() where !first.accepted.contains(index) {
                    let patience = windows[index].patience(context.options.stragglers, context.options)
                    if mayWait, context.isUp(member), now - first.sent < patience { return }
                }
                for index in quorum.members.indices where !first.accepted.contains(index) {
                    missed(first.key, by: index, leader)
                }
            }
            leaveWindows(first)
            leader.proposals.removeFirst()
            leader.base += 1
            context.proposedBytes -= first.bytes
        }
    }

    func resendProposals(_ leader: Leader) {
        var budget = context.options.repairWindow
        for proposal in leader.proposals {
            guard budget > 0 else { return }
            guard proposal.underway != ReplicaMask() else { continue }
            let pause = Nanoseconds(nanoseconds: context.options.retry.nanoseconds << UInt64(min(proposal.resends, 4)))
            guard proposal.isSent, now - proposal.resent >= pause else { continue }
            let late = quorum.members.enumerated().filter { replica, member in
                proposal.underway.contains(replica) && context.isUp(member)
                    && now - proposal.resent >= windows[replica].patience(pause, context.options)
            }
            guard !late.isEmpty else { continue }
            proposal.resent = now
            proposal.resends += 1
            budget -= 1
            let message = accept(proposal, leader)
            for (_, member) in late { context.send(member, message) }
        }
    }
}
