// What a leader does with an operation: propose a change, answer from what it knows, or find out first.

extension Replica {
    /// - Parameter hearsAll: all replicas have promised, and those whose copies are whole are no majority.
    func become(leaderAfter candidate: Candidate, hearsAll: Bool) {
        // Below the highest floor everything was at every replica once.
        for root in candidate.roots.values { raiseFloor(to: root.floor) }
        let own = context.store.tree(partition).root
        let floor = context.store.purgeFloor(partition)
        var equal = ReplicaMask(ownIndex)
        for (index, root) in candidate.roots where root.floor == floor && root.digest == own.digest {
            equal.insert(index)
        }
        let isProved = hearsAll ? equal == quorum.all : prove(equal, strictly: mayHaveBeenReady)
        let isSettled = isProved || !context.options.rules.compareRoots
        let leader = Leader(
            ballot: candidate.ballot, replicas: quorum.members.count, isSettled: isSettled, hearsAll: hearsAll,
            now: now, options: context.options)
        for index in quorum.members.indices where equal.contains(index) {
            // Of one that holds something else under the same versions the leaves are compared as well.
            if let contents = candidate.roots[index]?.contents, contents != own.contents { continue }
            leader.progress[index].isCompared = true
            leader.progress[index].isVerified = true
            leader.progress[index].comparedSince = now
        }
        // One that is to lose the partition need not wait before it hands over.
        if quorum.isJoint { leader.nextTransfer = now }
        self.leader = leader
        if hearsAll { context.decide(.hearAll) }
        if !isSettled { context.decide(.compareRoots) }
        if candidate.roots.values.contains(where: { $0.floor != floor }) { context.decide(.levelFloors) }
        if isSettled { becomeComplete() }
        leaderHint = nil
        vacantSince = nil
        context.effects.append(.notice(.elected(partition, leader.ballot, settled: isSettled)))
        sendBeacon()
        context.newlyLed.append(partition)
        for index in quorum.members.indices where candidate.abstainers.contains(index) && index != ownIndex {
            noteAbstention(of: index, leader)
        }
        if !isSettled { beginSettling() }
        carryOn(candidate.unfinished.proposals, leader)
        for operation in candidate.unfinished.operations { submit(operation) }
        if quorum.isJoint { mend(leader) }
    }

    /// Tells the replicas at once, rather than with the next summary.
    private func sendBeacon() {
        guard let leader else { return }
        for member in quorum.members where member != context.me {
            context.send(
                member,
                .shards(.leading(epoch: context.epoch, [Leadership(partition: partition, ballot: leader.ballot)])))
        }
    }

    /// What this node was about as a leader or candidate, which it is no more; nil where it was neither.
    func relieve() -> Unfinished? {
        if let candidate {
            self.candidate = nil
            guard candidate.phase == .canvassing else { return candidate.unfinished }
            // It has no claim yet.
            for operation in candidate.unfinished.operations {
                context.results.append((operation.origin, .notLeader(hint: nil)))
            }
            return nil
        }
        guard let leader else { return nil }
        endLeadership(leader)
        var unfinished = Unfinished(operations: leader.held)
        for proposal in leader.proposals where !proposal.isChosen { unfinished.proposals += proposal.unfinished }
        unfinished.operations += leader.answers.map(\.operation)
        for key in leader.backlogs.keys.sorted() { unfinished.operations += leader.backlogs[key]?.operations ?? [] }
        for key in leader.recoveries.keys.sorted() {
            guard let recovery = leader.recoveries[key] else { continue }
            unfinished.operations += recovery.operations
            unfinished.proposals += recovery.carried
        }
        return unfinished
    }

    private func endLeadership(_ leader: Leader) {
        self.leader = nil
        if leader.transfer != nil { context.transfers -= 1 }
        for index in leader.progress.indices {
            endComparison(with: index, leader)
            forgetSent(to: index, leader)
        }
        for proposal in leader.proposals {
            context.proposedBytes -= proposal.bytes
            leaveWindows(proposal)
        }
        context.effects.append(.notice(.steppedDown(partition)))
    }

    /// Gives the lead up. What was proposed may yet be chosen; what was not has changed nothing and may be tried
    /// elsewhere.
    func stepDown(hint: NodeNumber?) {
        guard let leader else { return }
        endLeadership(leader)
        if let hint, hint != context.me { sawLeader(hint) }
        let redirect = ForwardResult.notLeader(hint: hint)
        let firstUnsent = leader.unsent.first ?? .max
        for proposal in leader.proposals where !proposal.isChosen {
            for case let requester? in proposal.carried.map(\.requester) {
                context.results.append((requester.origin, .outcome(.unknown(.leaderLost))))
            }
            guard let requester = proposal.requester else { continue }
            let wasSent = proposal.record.version.sequence < firstUnsent
            context.results.append((requester.origin, wasSent ? .outcome(.unknown(.leaderLost)) : redirect))
        }
        for answer in leader.answers { context.results.append((answer.operation.origin, redirect)) }
        for key in leader.backlogs.keys.sorted() {
            for operation in leader.backlogs[key]?.operations ?? [] {
                context.results.append((operation.origin, redirect))
            }
        }
        for operation in leader.held { context.results.append((operation.origin, redirect)) }
        for key in leader.recoveries.keys.sorted() {
            for operation in leader.recoveries[key]?.operations ?? [] {
                context.results.append((operation.origin, redirect))
            }
            for case let requester? in (leader.recoveries[key]?.carried ?? []).map(\.requester) {
                context.results.append((requester.origin, .outcome(.unknown(.leaderLost))))
            }
        }
    }

    func submit(_ operation: Operation) {
        if let leader {
            if leader.transfer != nil || !majorityIsUp {
                if leader.transfer == nil { context.decide(.holdAlone) }
                leader.held.append(operation)
            } else {
                execute(operation, leader, keyIsKnown: false)
            }
        } else if let candidate {
            candidate.unfinished.operations.append(operation)
        } else {
            let hint = leaderHint.flatMap { context.isUp($0) ? $0 : nil }
            context.results.append((operation.origin, .notLeader(hint: hint)))
        }
    }

    /// Takes back an operation of this node's client: why it was not carried out; nil where it has been proposed
    /// already.
    func withdraw(_ id: RequestID) -> Refusal? {
        let held = leader?.held.first { $0.origin == .local(id) }
        guard takeBack(id) else { return nil }
        guard let leader, let held else { return .noLeader }
        return refusal(ofHeld: held, leader)
    }

    private func takeBack(_ id: RequestID) -> Bool {
        let origin = OperationOrigin.local(id)
        func take(_ operations: inout [Operation]) -> Bool {
            guard let index = operations.firstIndex(where: { $0.origin == origin }) else { return false }
            operations.remove(at: index)
            return true
        }
        if let candidate { return take(&candidate.unfinished.operations) }
        guard let leader else { return false }
        if take(&leader.held) { return true }
        if let index = leader.answers.firstIndex(where: { $0.operation.origin == origin }) {
            leader.answers.remove(at: index)
            return true
        }
        for key in leader.backlogs.keys.sorted() {
            if var backlog = leader.backlogs[key], take(&backlog.operations) {
                leader.backlogs[key] = backlog.operations.isEmpty ? nil : backlog
                return true
            }
        }
        for key in leader.recoveries.keys.sorted() {
            if var recovery = leader.recoveries[key], take(&recovery.operations) {
                leader.recoveries[key] = recovery
                dropRecoveryIfUnwanted(key, leader)
                return true
            }
        }
        return false
    }

    /// Tries again what was held, as far as it can go now.
    func releaseHeld() {
        guard let leader, leader.transfer == nil, !leader.held.isEmpty, majorityIsUp else { return }
        let held = leader.held
        leader.held = []
        for operation in held { submit(operation) }
    }

    /// `keyIsKnown`: a majority has just told the latest record of the key, and this copy holds it.
    func execute(_ operation: Operation, _ leader: Leader, keyIsKnown: Bool) {
        switch operation.command {
        case .list(let query): return executeList(operation, query, leader)
        case .count: return executeCount(operation, leader)
        case .get, .put, .delete, .update: break
        }
        if !leader.backlogs.isEmpty, leader.backlogs[operation.key] != nil {
            leader.backlogs[operation.key]?.operations.append(operation)
        } else if case .get = operation.command, leader.isSettled, leader.recoveries.isEmpty,
            leader.inFlight.isEmpty || leader.inFlight[operation.key] == nil
        {
            readChosen(operation, leader)
        } else if let obstacle = judge(operation, loaded: nil, keyIsKnown: keyIsKnown, leader) {
            queue(operation, behind: obstacle, leader)
        }
    }

    /// The answer to a read that has nothing to wait for, if it is in memory: that of the only replica, which is a
    /// majority, of a key that is not under change. Nil where there is no such answer.
    func answerAtOnce(_ key: Key) -> Outcome? {
        guard quorum.members.count == 1, let leader, leader.isSettled, leader.transfer == nil,
            leader.inFlight.isEmpty || leader.inFlight[key] == nil,
            leader.backlogs.isEmpty, leader.recoveries.isEmpty
        else { return nil }
        switch context.store.readAtOnce(partition, key) {
        case .absent: return .absent
        case .found(let record):
            if record.value == nil { return .absent }
            // That one has expired may have to be written down before anybody is told.
            return record.head.isPresent(at: context.now.wall) ? .found(record) : nil
        case .onDisk, nil: return nil
        }
    }

    /// A read of a key that is not under change, where this copy is the truth: in one look at the store.
    private func readChosen(_ operation: Operation, _ leader: Leader) {
        switch context.store.read(partition, operation.key) {
        case .absent: wait(operation, .absent, base: 0, leader)
        case .found(let record):
            guard record.head.isPresent(at: context.now.wall) else {
                return wait(operation, .absent, base: bury(operation.key, record.head, leader), leader)
            }
            wait(operation, .found(record), base: 0, leader)
        case .onDisk(let ticket):
            let head = context.store.head(partition, operation.key)
            guard let head, head.isPresent(at: context.now.wall) else {
                return wait(operation, .absent, base: bury(operation.key, head, leader), leader)
            }
            wait(operation, nil, base: 0, leader)
            context.load(ticket, for: .answer(partition, leader.ballot, id: leader.lastAnswerID))
        }
    }

    /// Puts a tombstone above a record that has expired, where that is not one already, before anybody is told: whoever
    /// leads next may have a clock that is behind this one, or may find a change that an earlier leader made of the
    /// record in its time. (`head` is the key's latest, in flight or not, and nothing of the key is being carried on.)
    ///
    /// - Returns: the proposal to wait for; 0 where there is none.
    private func bury(_ key: Key, _ head: RecordHead?, _ leader: Leader) -> UInt64 {
        guard let head, isUnburied(head, leader) else { return 0 }
        context.decide(.buryExpired)
        propose(key, .tombstone, leader)
        return leader.sequence
    }

    func isUnburied(_ head: RecordHead, _ leader: Leader) -> Bool {
        guard !head.isTombstone, head.expiry.hasPassed(at: context.now.wall) else { return false }
        let rules = context.options.rules
        return head.version.ballot < leader.ballot ? rules.buryExpired : rules.buryExpired && rules.buryOwn
    }

    /// Puts tombstones above those of these records that have expired, in flight or not, but for keys of which a change
    /// of the last leadership may be about to be carried on: above a tombstone its outcome would be unknown.
    ///
    /// - Returns: false where there are such keys. Nobody may be told yet that they have expired.
    @discardableResult
    func bury(_ keys: some Sequence<Key>, _ leader: Leader) -> Bool {
        var areAll = true
        for key in keys {
            guard let head = latestHead(key, leader), !head.isTombstone, head.expiry.hasPassed(at: context.now.wall)
            else { continue }
            if leader.recoveries[key] == nil { propose(key, .tombstone, leader) } else { areAll = false }
        }
        return areAll
    }

    /// Judges an operation on its key's latest record, unless that must be recovered first; returns what it must wait
    /// for. `loaded` is a record of the key, read from disk some time ago.
    func judge(_ operation: Operation, loaded: Record?, keyIsKnown: Bool, _ leader: Leader) -> Obstacle? {
        let base = leader.inFlight[operation.key] ?? 0
        var latest: RecordHead?
        var record: Record?
        var ground = Expiry.never
        if let proposal = leader.proposal(base) {
            guard mayJudge(operation.command, on: proposal) else {
                context.decide(.awaitExpiring)
                return .inFlight
            }
            record = proposal.record
            latest = record?.head
        } else {
            latest = context.store.head(partition, operation.key)
            let isKnown = leader.isSettled || keyIsKnown || latest?.version.ballot == leader.ballot
            let mayGuess = !context.options.rules.answerOnlyChosen && operation.command != .get
            // What the last leadership had under way comes first.
            let isCarried =
                leader.recoveries.isEmpty ? false : leader.recoveries[operation.key]?.carried.isEmpty == false
            guard !isCarried, isKnown || operation.command.isBlind || mayGuess else {
                recover(operation.key, for: operation, leader)
                return nil
            }
            if isKnown { ground = latest?.expiry ?? .never }
            if loaded?.version == latest?.version { record = loaded }
        }
        while true {
            let evaluation = Evaluation(operation.command, latest: latest, record: record, wall: context.now.wall)
            switch evaluation {
            case .write(let draft, let result):
                let requester = Requester(origin: operation.origin, result: result)
                if let refusal = refusal(of: draft) {
                    context.finish(operation.origin, .refused(refusal))
                } else {
                    propose(operation.key, draft, for: requester, over: ground, leader)
                }
            case .answer(let outcome):
                let tombstone = bury(operation.key, latest, leader)
                wait(operation, outcome, base: tombstone == 0 ? base : tombstone, leader)
            case .answerRecord: waitForRecord(operation, base: base, leader)
            case .readValue:
                switch context.store.read(partition, operation.key) {
                case .absent: latest = nil
                case .found(let found): record = found
                case .onDisk(let ticket): return .onDisk(ticket)
                }
                continue
            }
            return nil
        }
    }

    /// Whether an operation may be judged on a record in flight.
    ///
    /// If the record expires before it is chosen, it has never been there: until then, what it replaces may have been
    /// seen. A change that was judged on it would have been judged on nothing. So it waits, unless what the record
    /// replaces ends no later than it: then nobody can have seen anything once the record had expired.
    private func mayJudge(_ command: Command, on proposal: Proposal) -> Bool {
        if command == .get || command.isBlind { return true }
        let expiry = proposal.record.expiry
        return proposal.ground <= expiry || expiry.hasPassed(at: context.now.wall)
            || !context.options.rules.awaitExpiring
    }

    private func refusal(of draft: Draft) -> Refusal? {
        guard draft.value == nil || context.store.acceptsWrites else { return .diskFull }
        return context.proposedBytes < context.options.maximumProposedBytes ? nil : .overloaded
    }

    private func waitForRecord(_ operation: Operation, base: UInt64, _ leader: Leader) {
        if let proposal = leader.proposal(base) {
            return wait(operation, .found(proposal.record), base: base, leader)
        }
        switch context.store.read(partition, operation.key) {
        case .absent: wait(operation, .absent, base: base, leader)
        case .found(let record): wait(operation, .found(record), base: base, leader)
        case .onDisk(let ticket):
            wait(operation, nil, base: base, leader)
            context.load(ticket, for: .answer(partition, leader.ballot, id: leader.lastAnswerID))
        }
    }

    func wait(_ operation: Operation, _ outcome: Outcome?, base: UInt64, _ leader: Leader) {
        // The only replica is a majority, and what it rests on is chosen: there is nothing to wait for.
        if base == 0, quorum.members.count == 1, let outcome { return context.finish(operation.origin, outcome) }
        leader.lastAnswerID += 1
        let expiry = expiryInFlight(operation, base: base, leader)
        leader.answers.append(
            WaitingAnswer(
                id: leader.lastAnswerID, operation: operation, outcome: outcome, base: base, expiry: expiry))
        leader.wantsRound = true
        context.markDirty(self)
    }

    /// When the proposal that an answer is based on stops being there; never where it is not, or is a whole
    /// partition's.
    private func expiryInFlight(_ operation: Operation, base: UInt64, _ leader: Leader) -> Expiry {
        guard !operation.command.isOfPartition, let head = leader.proposal(base)?.record.head else { return .never }
        return head.isPresent(at: context.now.wall) ? head.expiry : .never
    }
}
