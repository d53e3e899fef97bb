// How a change is proposed, sent, accepted and chosen, and let go once every replica has it.

extension Replica {
    /// Proposes a record. It is sent at the end of the tick.
    ///
    /// - Parameters:
    ///   - request: Nil for a record that no request asked for.
    ///   - latestExpiry: When the key's latest record expires, if that record is known to be chosen; else `never`.
    func propose(
        _ key: Key, _ draft: Draft, for request: Request? = nil, replacing latestExpiry: Expiry = .never,
        _ leader: Leader
    ) {
        if !leader.listings.isEmpty { listProposed(key, leader) }
        let proposal = leader.log.append(
            key, draft, under: leader.ballot, for: request, replacing: latestExpiry, at: now)
        // Invariant 9: at most once.
        assert(request?.stage != .proposed, "a change is proposed once")
        request?.stage = .proposed
        context.proposedBytes += proposal.bytes
        if !leader.unreadable.isEmpty { leader.unreadable.remove(key) }
        context.markDirty(self)
    }

    /// Ends a tick: sends the changes made in it, those to one key as one record, and begins one confirmation round for
    /// all its reads.
    func flush() {
        assert(leader == nil || candidate == nil, "a leader does not stand for election")
        assert(leader.map { $0.ballot == promise } ?? true, "a leader's ballot is its promise")
        // The lead may have been given up in this tick.
        guard let leader else { return }
        leader.log.forEachUnsent { proposal in
            proposal.noteSent(at: now)
            context.store.put(partition, proposal.key, proposal.record, proposal.hash)
            appendedRecord()
            if proposal.record.expiry != .never { context.expiries.watch(partition, from: proposal.record.expiry) }
            whenDurable(.accepted(partition, leader.ballot, sequence: proposal.sequence))
            guard quorum.members.count > 1 else { return }
            let message = accept(proposal, leader)
            for index in quorum.members.indices where index != ownIndex { send(proposal, message, to: index, leader) }
        }
        leader.log.endTick()
        sendSkipped(leader)
        beginRound(leader)
        advanceTransfer(leader)
    }

    func receiveAccepted(_ header: PartitionHeader, version: Version, from node: NodeNumber) {
        guard let (leader, index) = leader(answered: header, by: node) else { return }
        if version.ballot == leader.ballot {
            accepted(version.sequence, by: index, leader)
        }
        acknowledged(version, by: index, leader)
        if leader.transfer != nil { context.markDirty(self) }
    }

    func ownAcceptIsDurable(_ ballot: Ballot, sequence: UInt64) {
        // Late: an earlier leadership proposed it.
        guard let leader, leader.ballot == ballot else { return }
        accepted(sequence, by: ownIndex, leader)
        if leader.transfer != nil { context.markDirty(self) }
    }

    private func accepted(_ sequence: UInt64, by replica: Int, _ leader: Leader) {
        // A proposal that has been retired needs no more answers.
        guard let proposal = leader.log[sequence] else { return }
        proposal.accept(by: replica)
        leaveWindow(proposal, replica)
        if leader.progress[replica].firstSkipped != .max { context.markDirty(self) }
        if !proposal.isChosen {
            // Invariant 5: its own accept always counts, so that a settled leader's copy holds every chosen record.
            let isChosen = quorum.isMet(by: proposal.accepted) && proposal.accepted.contains(ownIndex)
            guard isChosen || context.breaks(.majorityAcknowledges) else {
                return context.decide(.awaitMajority)
            }
            choose(proposal, leader)
        }
        retire(leader)
    }

    /// Marks a proposal as chosen, and with it the earlier ones of its key, and ends their requests.
    private func choose(_ newest: Proposal, _ leader: Leader) {
        var next: Proposal? = newest
        while let proposal = next {
            next = leader.log.choose(proposal)
            if let request = proposal.request {
                context.finish(request, request.written(as: proposal.record.version))
            }
            if !proposal.reproposed.isEmpty { answerReproposed(proposal) }
        }
        finishReadyAnswers(leader)
        if leader.move.isMarked { considerReadiness(leader) }
        if !leader.backlogs.isEmpty, !leader.log.isInFlight(newest.key) {
            advanceBacklogAfterChoice(newest.key, leader)
        }
    }

    private func answerReproposed(_ proposal: Proposal) {
        for (index, change) in proposal.reproposed.enumerated() {
            guard let request = change.request else { continue }
            let isLast = index == proposal.reproposed.count - 1
            context.finish(request, request.written(as: isLast ? proposal.record.version : change.version))
        }
    }

    /// Lets go of the oldest proposals: those that every replica has, and chosen ones that slow replicas have had time
    /// to accept or are not waited for. These replicas count as having missed them, and are repaired.
    func retire(_ leader: Leader) {
        while let first = leader.log.proposals.first, first.isChosen {
            if let sent = first.sent, first.accepted.count < quorum.members.count {
                let mayWait = context.proposedBytes < context.options.maximumProposedBytes / 2
                for (index, member) in quorum.members.enumerated() where !first.accepted.contains(index) {
                    let patience = windows[index].patience(context.options.stragglers, context.options)
                    if mayWait, context.isUp(member), now - sent < patience { return }
                }
                for index in quorum.members.indices where !first.accepted.contains(index) {
                    missed(first.key, by: index, leader)
                }
            }
            leaveWindows(first)
            context.proposedBytes -= first.bytes
            _ = leader.log.retireFirst()
        }
    }

    func resendProposals(_ leader: Leader) {
        var budget = context.options.repairWindow
        for proposal in leader.log.proposals {
            guard budget > 0 else { return }
            guard proposal.isSent, proposal.underway != ReplicaMask() else { continue }
            let (pause, waited) = (proposal.pause(context.options.retry), proposal.wait(until: now))
            guard waited >= pause else { continue }
            let late = quorum.members.enumerated().filter { replica, member in
                proposal.underway.contains(replica) && context.isUp(member)
                    && waited >= windows[replica].patience(pause, context.options)
            }
            guard !late.isEmpty else { continue }
            proposal.noteResent(at: now)
            budget -= 1
            let message = accept(proposal, leader)
            for (_, member) in late { context.send(member, message) }
        }
    }
}
