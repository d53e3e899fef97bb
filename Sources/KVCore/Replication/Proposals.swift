// Changes on their way: proposed, sent, accepted, chosen, and let go when every replica has them.

extension Replica {
    /// - Parameters:
    ///   - requester: nil for a record that nobody asked for.
    ///   - ground: of the latest record where that is known to be chosen, when it expires; else never.
    func propose(
        _ key: Key, _ draft: Draft, for requester: Requester? = nil, over ground: Expiry = .never, _ leader: Leader
    ) {
        let previous = leader.inFlight[key] ?? 0
        var ground = ground
        if previous != 0, let index = leader.index(of: previous) {
            ground = max(leader.proposals[index].ground, leader.proposals[index].record.expiry)
        }
        leader.sequence += 1
        let sequence = leader.sequence
        let record = Record(
            version: Version(ballot: leader.ballot, sequence: sequence), expiry: draft.expiry, value: draft.value,
            contentType: draft.contentType)
        let proposal = Proposal(
            key: key, record: record, requester: requester, previous: previous, ground: ground, sent: now, resent: now)
        leader.proposals.append(proposal)
        context.proposedBytes += proposal.bytes
        leader.inFlight[key] = sequence
        leader.unsent.append(sequence)
        context.markDirty(self)
    }

    /// Ends a tick: the changes made in it go out, those to one key as one record, and one confirmation for all its reads.
    func flush() {
        guard let leader else { return }
        for sequence in leader.unsent {
            guard let index = leader.index(of: sequence) else { continue }
            let key = leader.proposals[index].key
            guard leader.inFlight[key] == sequence else { continue }
            leader.proposals[index].isSent = true
            leader.proposals[index].sent = now
            leader.proposals[index].resent = now
            let record = leader.proposals[index].record
            context.store.put(partition, key, record)
            lastAppend = context.store.appended
            whenDurable(.accepted(partition, leader.ballot, sequence: sequence))
            let accept = PeerMessage.accept(header(leader.ballot), key: key, record: record)
            for member in quorum.members where member != context.me { context.send(member, accept) }
        }
        leader.unsent.removeAll(keepingCapacity: true)
        if leader.wantsRound { beginRound(leader) }
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
        guard let index = leader.index(of: sequence) else { return }
        leader.proposals[index].accepted.insert(replica)
        if !leader.proposals[index].isChosen {
            let mask = leader.proposals[index].accepted
            // Its own copy counts among them always, so that a settled leader's copy holds all that is chosen.
            let isChosen = quorum.isMet(by: mask) && mask.contains(ownIndex)
            guard isChosen || !context.options.rules.majorityAcknowledges else { return }
            choose(sequence, leader)
        }
        retire(leader)
    }

    /// A proposal is chosen, and with it the earlier ones of its key.
    private func choose(_ sequence: UInt64, _ leader: Leader) {
        guard let key = leader.index(of: sequence).map({ leader.proposals[$0].key }) else { return }
        var next = sequence
        while next != 0, let index = leader.index(of: next), !leader.proposals[index].isChosen {
            leader.proposals[index].isChosen = true
            let proposal = leader.proposals[index]
            if let requester = proposal.requester {
                context.finish(requester.origin, requester.outcome(as: proposal.record.version))
            }
            if !proposal.carried.isEmpty { answerCarried(proposal) }
            if leader.inFlight[key] == next { leader.inFlight[key] = nil }
            next = proposal.previous
        }
        answerWhatMayBe(leader)
        if leader.mark != 0 { considerReadiness(leader) }
        if leader.inFlight[key] == nil { advanceBacklogAfterChoice(key, leader) }
    }

    private func answerCarried(_ proposal: Proposal) {
        for (index, change) in proposal.carried.enumerated() {
            guard let requester = change.requester else { continue }
            let isLast = index == proposal.carried.count - 1
            context.finish(requester.origin, requester.outcome(as: isLast ? proposal.record.version : change.version))
        }
    }

    /// Lets go of proposals that every replica has, or that the slow ones must be mended with.
    func retire(_ leader: Leader) {
        while let first = leader.proposals.first, first.isChosen {
            if first.isSent {
                let mayWait = context.proposedBytes < context.options.maximumProposedBytes / 2
                for (index, member) in quorum.members.enumerated() where !first.accepted.contains(index) {
                    if mayWait, context.isUp(member), now - first.sent < context.options.stragglers { return }
                }
                for index in quorum.members.indices where !first.accepted.contains(index) {
                    missed(first.key, by: index, leader)
                }
            }
            leader.proposals.removeFirst()
            leader.base += 1
            context.proposedBytes -= first.bytes
        }
    }

    func resendProposals(_ leader: Leader) {
        var budget = context.options.mendWindow
        for index in leader.proposals.indices where budget > 0 {
            let proposal = leader.proposals[index]
            let pause = Span(nanoseconds: context.options.retry.nanoseconds << UInt64(min(proposal.resends, 4)))
            guard proposal.isSent, now - proposal.resent >= pause else { continue }
            let late = quorum.members.enumerated().filter { replica, member in
                member != context.me && !proposal.accepted.contains(replica) && context.isUp(member)
            }
            guard !late.isEmpty else { continue }
            leader.proposals[index].resent = now
            leader.proposals[index].resends += 1
            budget -= 1
            let accept = PeerMessage.accept(header(leader.ballot), key: proposal.key, record: proposal.record)
            for (_, member) in late { context.send(member, accept) }
        }
    }
}
