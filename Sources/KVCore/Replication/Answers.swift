// Answers that change nothing: each waits until what it rests on is chosen, and until a majority has confirmed the
// ballot.

extension Replica {
    /// Begins the round that the answers of this turn wait for, if any does.
    func beginRound(_ leader: Leader) {
        guard let round = leader.confirmations.begin(at: now) else { return }
        if quorum.members.count > 1 { context.decide(.confirmReads) }
        leader.answers.begin(round: round)
        sendConfirms(leader)
        answerWhatMayBe(leader)
    }

    /// To as few as make a majority with this node, and the same ones for as many partitions as may be, so that one
    /// frame has them all ("thrifty" in Moraru et al., "There Is More Consensus in Egalitarian Parliaments"). `hedge`
    /// asks the others where these are slow.
    private func sendConfirms(_ leader: Leader) {
        let needed = quorum.members.count / 2
        var few = ReplicaMask()
        for index in confirmers where few.count < needed && context.isPrompt(quorum.members[index]) {
            few.insert(index)
        }
        guard !quorum.isJoint, few.count == needed else { return confirmByAll(leader) }
        leader.confirmations.ask(few, at: now)
        for index in confirmers where few.contains(index) { sendConfirm(to: index, leader) }
        guard !isHedged else { return }
        isHedged = true
        context.hedged.append(partition)
    }

    private func confirmByAll(_ leader: Leader) {
        leader.confirmations.askAll()
        for index in confirmers { sendConfirm(to: index, leader) }
    }

    private func sendConfirm(to index: Int, _ leader: Leader) {
        let confirm = ReplicaMessage.confirm(round: leader.confirmations.round)
        context.send(quorum.members[index], .replica(header(leader.ballot), confirm))
    }

    /// False where nothing is to be looked after any more.
    func hedge() -> Bool {
        isHedged = isAwaitingFew()
        return isHedged
    }

    private func isAwaitingFew() -> Bool {
        guard let leader else { return false }
        switch leader.confirmations.look(
            quorum, own: ownIndex, isNeeded: !leader.answers.isEmpty, at: now, hedge: context.options.hedge)
        {
        case .over: return false
        case .waiting: return true
        case .lost(let late):
            for index in confirmers where late.contains(index) { context.wasLate(quorum.members[index]) }
            confirmByAll(leader)
            return false
        }
    }

    /// Nothing is to be expected of a peer that is out of touch.
    func hedge(without node: NodeNumber) {
        guard let leader, let index = quorum.index(of: node), leader.confirmations.hasAskedAmongFew(index)
        else { return }
        confirmByAll(leader)
    }

    func resendConfirms(_ leader: Leader) {
        guard !leader.answers.isEmpty,
            leader.confirmations.isOverdue(quorum, own: ownIndex, at: now, retry: context.options.retry)
        else { return }
        confirmByAll(leader)
    }

    func receiveConfirmed(_ header: PartitionHeader, round: UInt64, from node: NodeNumber) {
        guard let (leader, index) = leader(answered: header, by: node), leader.confirmations.confirm(round, by: index)
        else { return }
        answerWhatMayBe(leader)
        if leader.transfer != nil { context.markDirty(self) }
    }

    func answerWhatMayBe(_ leader: Leader) {
        guard !leader.answers.isEmpty else { return }
        let confirmed = leader.confirmations.newest(quorum, own: ownIndex)
        var lapsed: [Request] = []
        leader.answers.drop { answer in
            guard let outcome = answer.outcome else { return false }
            // Invariant 8: reads are fresh.
            guard answer.round != 0 && answer.round <= confirmed || context.breaks(.confirmReads) else { return false }
            // Invariant 6: only the chosen is shown.
            guard isChosen(answer, leader) || context.breaks(.answerOnlyChosen) else {
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
        guard answer.request.command.isOfPartition else { return answer.base == 0 || leader.log.isChosen(answer.base) }
        return leader.log.areChosen(through: answer.base)
    }

    func loadedAnswer(_ ballot: Ballot, id: UInt64, _ value: LoadedValue) {
        // Late: the leader that asked for it is no more.
        guard let leader, leader.ballot == ballot else { return }
        let isWanted: Bool
        switch value {
        case .record(let record): isWanted = leader.answers.loaded(id, .found(record))
        case .damaged where context.breaks(.rememberDamaged): isWanted = leader.answers.loaded(id, .absent)
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
