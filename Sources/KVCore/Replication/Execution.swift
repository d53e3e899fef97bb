// What a leader does with a request: propose a change, answer from what it knows, or find out first.

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
        let isSettled = isProved || context.breaks(.compareRoots)
        let leader = Leader(
            ballot: candidate.ballot, replicas: quorum.members.count, isSettled: isSettled, hearsAll: hearsAll,
            now: now, options: context.options)
        for index in quorum.members.indices where equal.contains(index) {
            // Of one that holds something else under the same versions the leaves are compared as well.
            if let contents = candidate.roots[index]?.contents, contents != own.contents { continue }
            leader.progress[index].equalsLeader(at: now)
        }
        // One that is to lose the partition need not wait before it transfers leadership.
        if quorum.isJoint { leader.nextTransfer = now }
        self.leader = leader
        if hearsAll { context.decide(.hearAll) }
        if !isSettled { context.decide(.compareRoots) }
        if candidate.roots.values.contains(where: { $0.floor != floor }) { context.decide(.levelFloors) }
        if isSettled { becomeComplete() }
        leaderHint = nil
        vacantSince = nil
        context.effects.append(.notice(.elected(partition, leader.ballot, settled: isSettled)))
        sendHeartbeat(leader)
        context.newlyLed.append(partition)
        for index in quorum.members.indices where candidate.abstainers.contains(index) && index != ownIndex {
            noteAbstention(of: index, leader)
        }
        if !isSettled { beginSettling(leader) }
        repropose(candidate.unfinished.proposals, leader)
        for request in candidate.unfinished.requests.takeAll() { submit(request) }
        if quorum.isJoint { repair(leader) }
    }

    /// Tells the replicas at once, rather than with the next summary.
    private func sendHeartbeat(_ leader: Leader) {
        for member in quorum.members where member != context.me {
            context.send(
                member,
                .shards(
                    .leaderHeartbeat(epoch: context.epoch, [Leadership(partition: partition, ballot: leader.ballot)])))
        }
    }

    /// What this node was about as a leader or candidate, which it is no more; nil where it was neither.
    func endLeadership() -> Unfinished? {
        if let candidate {
            self.candidate = nil
            guard candidate.phase == .preVoting else { return candidate.unfinished }
            // It has no claim yet.
            for request in candidate.unfinished.requests.takeAll() { context.turnAway(request, hint: nil) }
            return nil
        }
        guard let leader else { return nil }
        endLeadership(leader)
        var unfinished = Unfinished()
        unfinished.requests.append(leader.held.takeAll(), as: .electing)
        for proposal in leader.log.proposals where !proposal.isChosen { unfinished.proposals += proposal.unfinished }
        unfinished.requests.append(leader.answers.takeAll(), as: .electing)
        for key in leader.backlogs.keys.sorted() {
            unfinished.requests.append(leader.backlogs[key]?.requests.takeAll() ?? [], as: .electing)
        }
        for var recovery in leader.takeRecoveries() {
            unfinished.requests.append(recovery.requests.takeAll(), as: .electing)
            unfinished.proposals += recovery.carried
        }
        return unfinished
    }

    private func endLeadership(_ leader: Leader) {
        self.leader = nil
        if leader.transfer != nil { context.transfers -= 1 }
        for index in leader.progress.indices {
            endComparison(with: index, leader)
            giveUpRepairs(to: index, leader)
        }
        for proposal in leader.log.proposals {
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
        let firstUnsent = leader.log.firstUnsent ?? .max
        for proposal in leader.log.proposals where !proposal.isChosen {
            for case let request? in proposal.reproposed.map(\.request) {
                context.finish(request, .unknown(.leaderLost))
            }
            guard let request = proposal.request else { continue }
            if proposal.sequence < firstUnsent {
                context.finish(request, .unknown(.leaderLost))
            } else {
                context.turnAway(request, hint: hint)
            }
        }
        for request in leader.answers.takeAll() { context.turnAway(request, hint: hint) }
        for key in leader.backlogs.keys.sorted() {
            for request in leader.backlogs[key]?.requests.takeAll() ?? [] { context.turnAway(request, hint: hint) }
        }
        for request in leader.held.takeAll() { context.turnAway(request, hint: hint) }
        for var recovery in leader.takeRecoveries() {
            for request in recovery.requests.takeAll() { context.turnAway(request, hint: hint) }
            for case let request? in recovery.carried.map(\.request) {
                context.finish(request, .unknown(.leaderLost))
            }
        }
    }

    func submit(_ request: Request) {
        if let leader {
            if leader.transfer != nil || !majorityIsUp {
                if leader.transfer == nil { context.decide(.holdAlone) }
                leader.held.append(request, as: .held)
            } else {
                execute(request, leader, keyIsKnown: false)
            }
        } else if let candidate {
            candidate.unfinished.requests.append(request, as: .electing)
        } else {
            context.turnAway(request, hint: leaderHint.flatMap { context.isUp($0) ? $0 : nil })
        }
    }

    /// Takes a request back from the queue that it is in: why it was not carried out; nil where it has been proposed.
    func withdraw(_ request: Request) -> Refusal? {
        switch request.stage {
        case .electing: candidate?.unfinished.requests.remove(request)
        case .held:
            guard let leader else { break }
            leader.held.remove(request)
            if leader.unreadable.contains(request.key) { return .noReplica }
        case .evaluating:
            guard let leader else { break }
            leader.backlogs[request.key]?.requests.remove(request)
            if leader.backlogs[request.key]?.requests.isEmpty == true { leader.backlogs[request.key] = nil }
        case .recovering:
            guard let leader else { break }
            leader.recoveries[request.key]?.requests.remove(request)
            dropRecoveryIfUnwanted(request.key, leader)
        case .confirming: leader?.answers.withdraw(request)
        case .begun, .waiting, .forwarded, .proposed, .finished: return nil
        }
        assert(request.stage == .begun, "a request's stage names the queue that it is in")
        return .noLeader
    }

    /// Tries again what was held, as far as it can go now.
    func releaseHeld() {
        guard let leader, leader.transfer == nil, !leader.held.isEmpty, majorityIsUp else { return }
        for request in leader.held.takeAll() { submit(request) }
    }

    /// `keyIsKnown`: a majority has just told the latest record of the key, and this copy holds it.
    func execute(_ request: Request, _ leader: Leader, keyIsKnown: Bool) {
        switch request.command {
        case .list(let query): return executeList(request, query, leader)
        case .count: return executeCount(request, leader)
        case .get, .put, .delete, .update: break
        }
        if !leader.backlogs.isEmpty, leader.backlogs[request.key] != nil {
            leader.backlogs[request.key]?.requests.append(request, as: .evaluating)
        } else if case .get = request.command, leader.isSettled, leader.recoveries.isEmpty,
            !leader.log.isInFlight(request.key)
        {
            readChosen(request, leader)
        } else if let obstacle = evaluate(request, loaded: nil, keyIsKnown: keyIsKnown, leader) {
            queue(request, behind: obstacle, leader)
        }
    }

    /// The answer to a read that has nothing to wait for, if it is in memory: that of the only replica, which is a
    /// majority, of a key that is not under change. Nil where there is no such answer.
    func answerAtOnce(_ request: Request) -> Outcome? {
        guard quorum.members.count == 1, let leader, leader.isSettled, leader.transfer == nil,
            !leader.log.isInFlight(request.key),
            leader.backlogs.isEmpty, leader.recoveries.isEmpty
        else { return nil }
        switch context.store.readAtOnce(partition, request.key, request.hash) {
        case .absent: return .absent
        case .found(let record):
            if record.value == nil { return .absent }
            // That one has expired may have to be written down before anybody is told.
            return record.head.isPresent(at: context.now.wall) ? .found(record) : nil
        case .onDisk, nil: return nil
        }
    }

    /// A read of a key that is not under change, where this copy is the truth: in one look at the store.
    private func readChosen(_ request: Request, _ leader: Leader) {
        switch context.store.read(partition, request.key, request.hash) {
        case .absent: wait(request, .absent, base: 0, leader)
        case .found(let record):
            guard record.head.isPresent(at: context.now.wall) else {
                return wait(request, .absent, base: tombstone(request.key, record.head, leader), leader)
            }
            wait(request, .found(record), base: 0, leader)
        case .onDisk(let ticket):
            let head = context.store.head(partition, request.key, request.hash)
            guard let head, head.isPresent(at: context.now.wall) else {
                return wait(request, .absent, base: tombstone(request.key, head, leader), leader)
            }
            wait(request, nil, loading: ticket, base: 0, leader)
        }
    }

    /// Puts a tombstone above a record that has expired, where that is not one already, before anybody is told: whoever
    /// leads next may have a clock that is behind this one, or may find a change that an earlier leader made of the
    /// record in its time. (`head` is the key's latest, in flight or not, and nothing of the key is being re-proposed.)
    ///
    /// - Returns: the proposal to wait for; 0 where there is none.
    private func tombstone(_ key: Key, _ head: RecordHead?, _ leader: Leader) -> UInt64 {
        guard let head, lacksTombstone(head, leader) else { return 0 }
        context.decide(.tombstoneExpired)
        propose(key, .tombstone, leader)
        return leader.log.last
    }

    func lacksTombstone(_ head: RecordHead, _ leader: Leader) -> Bool {
        guard !head.isTombstone, head.expiry.hasPassed(at: context.now.wall) else { return false }
        if context.breaks(.tombstoneExpired) { return false }
        return head.version.ballot < leader.ballot || !context.breaks(.tombstoneOwn)
    }

    /// Puts tombstones above those of these records that have expired, in flight or not, but for keys of which a change
    /// of the last leadership may be about to be re-proposed: above a tombstone its outcome would be unknown.
    ///
    /// - Returns: false where there are such keys. Nobody may be told yet that they have expired.
    @discardableResult
    func tombstone(_ keys: some Sequence<Key>, _ leader: Leader) -> Bool {
        var areAll = true
        for key in keys {
            guard let head = latestHead(key, leader), !head.isTombstone, head.expiry.hasPassed(at: context.now.wall)
            else { continue }
            if leader.recoveries[key] == nil { propose(key, .tombstone, leader) } else { areAll = false }
        }
        return areAll
    }

    /// Evaluates a request on its key's latest record, unless that must be recovered first; returns what it must wait
    /// for. `loaded` is a record of the key, read from disk some time ago.
    func evaluate(_ request: Request, loaded: Record?, keyIsKnown: Bool, _ leader: Leader) -> Obstacle? {
        let base = leader.log.inFlight(request.key) ?? 0
        var latest: RecordHead?
        var record: Record?
        var ground = Expiry.never
        if let proposal = leader.log[base] {
            guard mayEvaluate(request.command, on: proposal) else {
                context.decide(.awaitExpiring)
                return .inFlight
            }
            record = proposal.record
            latest = record?.head
        } else {
            latest = context.store.head(partition, request.key, request.hash)
            let isKnown = leader.isSettled || keyIsKnown || latest?.version.ballot == leader.ballot
            // What the last leadership had under way comes first.
            let isReproposed =
                leader.recoveries.isEmpty ? false : leader.recoveries[request.key]?.carried.isEmpty == false
            guard !isReproposed, isKnown || request.command.isBlind || mayGuess(request) else {
                recover(request.key, for: request, leader)
                return nil
            }
            if isKnown { ground = latest?.expiry ?? .never }
            if loaded?.version == latest?.version { record = loaded }
        }
        while true {
            let evaluation = Evaluation(request.command, latest: latest, record: record, wall: context.now.wall)
            switch evaluation {
            case .write(let draft, let result):
                if let refusal = refusal(of: draft) {
                    context.finish(request, .refused(refusal))
                } else {
                    request.result = result
                    propose(request.key, draft, for: request, over: ground, leader)
                }
            case .answer(let outcome):
                let tombstone = tombstone(request.key, latest, leader)
                wait(request, outcome, base: tombstone == 0 ? base : tombstone, leader)
            case .answerRecord: waitForRecord(request, base: base, leader)
            case .readValue:
                switch context.store.read(partition, request.key, request.hash) {
                case .absent: latest = nil
                case .found(let found): record = found
                case .onDisk(let ticket): return .onDisk(ticket)
                }
                continue
            }
            return nil
        }
    }

    private func mayGuess(_ request: Request) -> Bool {
        context.breaks(.answerOnlyChosen) && request.command != .get
    }

    /// Whether a request may be evaluated on a record in flight.
    ///
    /// If the record expires before it is chosen, it has never been there: until then, what it replaces may have been
    /// seen. A change that was evaluated on it would have been evaluated on nothing. So it waits, unless what the
    /// record replaces ends no later than it: then nobody can have seen anything once the record had expired.
    private func mayEvaluate(_ command: Command, on proposal: Proposal) -> Bool {
        if command == .get || command.isBlind { return true }
        let expiry = proposal.record.expiry
        return proposal.ground <= expiry || expiry.hasPassed(at: context.now.wall)
            || context.breaks(.awaitExpiring)
    }

    private func refusal(of draft: Draft) -> Refusal? {
        guard draft.value == nil || context.store.acceptsWrites else { return .diskFull }
        return context.proposedBytes < context.options.maximumProposedBytes ? nil : .overloaded
    }

    private func waitForRecord(_ request: Request, base: UInt64, _ leader: Leader) {
        if let proposal = leader.log[base] {
            return wait(request, .found(proposal.record), base: base, leader)
        }
        switch context.store.read(partition, request.key, request.hash) {
        case .absent: wait(request, .absent, base: base, leader)
        case .found(let record): wait(request, .found(record), base: base, leader)
        case .onDisk(let ticket):
            wait(request, nil, loading: ticket, base: base, leader)
        }
    }

    /// - Parameters:
    ///   - outcome: nil where its value is read by `ticket`.
    ///   - base: the proposal that it is based on; 0 where that is a record known to be chosen.
    func wait(
        _ request: Request, _ outcome: Outcome?, loading ticket: ReadTicket? = nil, base: UInt64, _ leader: Leader
    ) {
        // The only replica is a majority, and what it rests on is chosen: there is nothing to wait for.
        if base == 0, quorum.members.count == 1, let outcome { return context.finish(request, outcome) }
        let expiry = expiryInFlight(request, base: base, leader)
        let id = leader.answers.append(request, outcome, base: base, expiry: expiry)
        if let ticket { context.load(ticket, for: .answer(partition, leader.ballot, id: id)) }
        leader.confirmations.want()
        context.markDirty(self)
    }

    /// When the proposal that an answer is based on stops being there; never where it is not, or is a whole
    /// partition's.
    private func expiryInFlight(_ request: Request, base: UInt64, _ leader: Leader) -> Expiry {
        guard !request.command.isOfPartition, let head = leader.log[base]?.record.head else { return .never }
        return head.isPresent(at: context.now.wall) ? head.expiry : .never
    }
}
