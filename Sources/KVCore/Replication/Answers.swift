// Answers that change nothing: each waits until what it rests on is chosen, and until a majority has confirmed the
// ballot.

extension Replica {
    func beginRound(_ leader: Leader) {
        leader.wantsRound = false
        leader.round += 1
        if quorum.members.count > 1 { context.decide(.confirmReads) }
        leader.roundSent = now
        leader.answers.begin(round: leader.round)
        sendConfirms(leader)
        answerWhatMayBe(leader)
    }

    /// To as few as make a majority with this node, and the same ones for as many partitions as may be, so that one
    /// frame has them all ("thrifty" in Moraru et al., "There Is More Consensus in Egalitarian Parliaments"). `hedge`
    /// asks the others where these are slow.
    private func sendConfirms(_ leader: Leader) {
        let needed = quorum.members.count / 2
        var asked = ReplicaMask()
        for index in confirmers where asked.count < needed && context.isPrompt(quorum.members[index]) {
            asked.insert(index)
        }
        guard !quorum.isJoint, asked.count == needed else { return confirmByAll(leader) }
        if leader.asked == ReplicaMask() { (leader.timedRound, leader.timedSince) = (leader.round, now) }
        leader.asked = asked
        for index in confirmers where asked.contains(index) { sendConfirm(to: index, leader) }
        guard !isHedged else { return }
        isHedged = true
        context.hedged.append(partition)
    }

    private func confirmByAll(_ leader: Leader) {
        leader.asked = ReplicaMask()
        for index in confirmers { sendConfirm(to: index, leader) }
    }

    private func sendConfirm(to index: Int, _ leader: Leader) {
        context.send(quorum.members[index], .replica(header(leader.ballot), .confirm(round: leader.round)))
    }

    /// False where nothing is to be looked after any more.
    func hedge() -> Bool {
        isHedged = isAwaitingFew()
        return isHedged
    }

    private func isAwaitingFew() -> Bool {
        guard let leader, leader.asked != ReplicaMask(), !leader.answers.isEmpty else {
            leader?.asked = ReplicaMask()
            return false
        }
        let confirmed = confirmedRound(leader)
        guard leader.round > confirmed else {
            leader.asked = ReplicaMask()
            return false
        }
        // One of those that were asked may confirm every round at once, and another none: a round is confirmed by all.
        if confirmed >= leader.timedRound { (leader.timedRound, leader.timedSince) = (leader.round, leader.roundSent) }
        guard now - leader.timedSince >= context.options.hedge else { return true }
        for index in confirmers where leader.asked.contains(index) && leader.confirmed[index] < leader.timedRound {
            context.wasLate(quorum.members[index])
        }
        leader.roundSent = now
        confirmByAll(leader)
        return false
    }

    /// Nothing is to be expected of a peer that is out of touch.
    func hedge(without node: NodeNumber) {
        guard let leader, let index = quorum.index(of: node), leader.asked.contains(index) else { return }
        confirmByAll(leader)
    }

    func resendConfirms(_ leader: Leader) {
        guard !leader.answers.isEmpty, leader.round > confirmedRound(leader),
            now - leader.roundSent >= context.options.retry
        else { return }
        leader.roundSent = now
        confirmByAll(leader)
    }

    func receiveConfirmed(_ header: PartitionHeader, round: UInt64, from node: NodeNumber) {
        guard let leader, header.ballot == leader.ballot, round <= leader.round, let index = quorum.index(of: node)
        else { return }
        leader.confirmed[index] = max(leader.confirmed[index], round)
        answerWhatMayBe(leader)
        if leader.transfer != nil { context.markDirty(self) }
    }

    /// The newest round that a majority has confirmed. A later confirmation serves earlier rounds as well.
    private func confirmedRound(_ leader: Leader) -> UInt64 {
        var best: UInt64 = 0
        leader.confirmed[ownIndex] = leader.round
        for round in leader.confirmed where round > best {
            var mask = ReplicaMask()
            for index in leader.confirmed.indices where leader.confirmed[index] >= round { mask.insert(index) }
            if quorum.isMet(by: mask) { best = round }
        }
        return best
    }

    func answerWhatMayBe(_ leader: Leader) {
        guard !leader.answers.isEmpty else { return }
        let rules = context.options.rules
        let confirmed = confirmedRound(leader)
        var lapsed: [Request] = []
        leader.answers.drop { answer in
            guard let outcome = answer.outcome else { return false }
            guard answer.round != 0 && answer.round <= confirmed || !rules.confirmReads else { return false }
            guard isChosen(answer, leader) || !rules.answerOnlyChosen else {
                context.decide(.showChosen)
                return false
            }
            if answer.expiry.hasPassed(at: context.now.wall) {
                lapsed.append(answer.request)
            } else {
                context.finish(answer.request, outcome)
            }
            return true
        }
        // What they saw expired before it was chosen. Until then a read without the leader may have found the record
        // before it, so nobody may be told that it was there.
        if !lapsed.isEmpty { context.decide(.reviewExpired) }
        for request in lapsed { execute(request, leader, keyIsKnown: false) }
    }

    private func isChosen(_ answer: WaitingAnswer, _ leader: Leader) -> Bool {
        guard answer.request.command.isOfPartition else { return answer.base == 0 || leader.isChosen(answer.base) }
        guard answer.base >= leader.base else { return true }
        let count = min(answer.base - leader.base + 1, UInt64(leader.proposals.count))
        return leader.proposals.prefix(Int(count)).allSatisfy(\.isChosen)
    }

    func loadedAnswer(_ ballot: Ballot, id: UInt64, _ value: LoadedValue) {
        guard let leader, leader.ballot == ballot else { return }
        let isWanted: Bool
        switch value {
        case .record(let record): isWanted = leader.answers.loaded(id, .found(record))
        case .damaged where !context.options.rules.rememberDamaged: isWanted = leader.answers.loaded(id, .absent)
        // It says nothing of what the key holds now. Until this copy can be read, there is no answer.
        case .gone:
            let request = leader.answers.remove(id)
            if let request { leader.held.append(request, as: .held) }
            isWanted = request != nil
        case .damaged:
            let request = leader.answers.remove(id)
            if let request { holdUnreadable([request], leader) }
            isWanted = request != nil
        }
        guard isWanted else { return }
        answerWhatMayBe(leader)
    }

    /// Requests of a key whose value this copy has lost: they wait for the repair, if there is anybody to repair it
    /// from.
    func holdUnreadable(_ requests: [Request], _ leader: Leader) {
        guard quorum.members.contains(where: { $0 != context.me && context.isUp($0) }) else {
            for request in requests { context.finish(request, .refused(.noReplica)) }
            return
        }
        leader.held.append(requests, as: .held)
        for request in requests { leader.unreadable.insert(request.key) }
    }
}
