// How answers that change nothing are given: each waits until the record that it rests on is chosen, and until a
// majority has confirmed the ballot.

extension Replica {
    /// Begins the confirmation round that the answers of this tick wait for, if there are any. It ends at once where a
    /// majority supports this leader.
    func beginRound(_ leader: Leader) {
        guard leader.confirmations.isWanted else { return }
        let isSupported = holdsLease(leader)
        // Invariant 15: the look at the clock comes last. What was looked up after it may be out of date, because the
        // process may have slept in between.
        if isSupported, leader.confirmations.look >= context.look { return context.lookAgain(for: self) }
        guard let round = leader.confirmations.begin(at: now) else { return }
        leader.answers.begin(round: round)
        if isSupported {
            context.decide(.leaseReads)
            leader.confirmations.confirmBySupport()
        } else {
            if quorum.members.count > 1 { context.decide(.confirmReads) }
            sendConfirms(leader)
        }
        finishReadyAnswers(leader)
    }

    /// Asks the smallest majority to confirm the ballot ("thrifty" in Moraru et al., "There Is More Consensus in
    /// Egalitarian Parliaments"). All partitions choose the same replicas where they can, so that one frame carries
    /// many `confirm`s. If these replicas are slow, `hedge` asks the others.
    private func sendConfirms(_ leader: Leader) {
        let needed = quorum.members.count / 2
        var few = ReplicaMask()
        // Those that give support are asked first where it does not cover this partition yet.
        for index in confirmers where few.count < needed && wantsMark(of: index, leader) { few.insert(index) }
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

    /// Asks the other replicas as well if those that were asked to confirm are slow.
    ///
    /// - Returns: False if nothing has to be watched any more.
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
            for index in confirmers where late.contains(index) { context.noteLate(quorum.members[index]) }
            confirmByAll(leader)
            return false
        }
    }

    /// Asks all replicas to confirm if `node`, which is out of touch, is one of the few that were asked.
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

    func receiveConfirmed(_ header: PartitionHeader, round: UInt64, mark: PromiseMark?, from node: NodeNumber) {
        guard let (leader, index) = leader(answered: header, by: node), leader.confirmations.confirm(round, by: index)
        else { return }
        if let mark { leader.marks[index] = mark }
        finishReadyAnswers(leader)
        if leader.transfer != nil { context.markDirty(self) }
    }

    func finishReadyAnswers(_ leader: Leader) {
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
        // The record in flight that these answers rest on expired before it was chosen. Until then a read without the
        // leader may have found the record before it, so nobody may be told that it was there.
        if !lapsed.isEmpty { context.decide(.reviewExpired) }
        for request in lapsed { execute(request, leader, keyIsKnown: false) }
    }

    private func isChosen(_ answer: WaitingAnswer, _ leader: Leader) -> Bool {
        guard answer.request.command.isOfPartition else { return answer.base == 0 || leader.log.isChosen(answer.base) }
        return leader.log.areChosen(through: answer.base)
    }

    func loadedAnswer(_ ballot: Ballot, id: UInt64, _ value: LoadedValue) {
        // Late: the leader that asked for it has stepped down.
        guard let leader, leader.ballot == ballot else { return }
        let isWanted: Bool
        switch value {
        case .record(let record): isWanted = leader.answers.loaded(id, .found(record))
        case .damaged where context.breaks(.rememberDamaged): isWanted = leader.answers.loaded(id, .absent)
        // The record was wiped or purged meanwhile, which says nothing about the key's present record. The request is
        // executed again.
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
        finishReadyAnswers(leader)
    }

    /// Holds requests for a key whose value in this copy is damaged until the copy is repaired. If no other replica is
    /// in touch to repair it from, they are refused.
    func holdUnreadable(_ requests: [Request], _ leader: Leader) {
        guard quorum.members.contains(where: { $0 != context.me && context.isUp($0) }) else {
            for request in requests { context.finish(request, .refused(.noReplica)) }
            return
        }
        leader.held.append(requests, as: .held)
        for request in requests { leader.unreadable.insert(request.key) }
    }
}
