// How a leader executes a request: it proposes a change, answers from its copy, or recovers the key first.

extension Replica {
    /// Begins this node's leadership.
    ///
    /// - Parameter hearsAll: All replicas have promised, but those with whole copies are no majority.
    func become(leaderAfter candidate: Candidate, hearsAll: Bool) {
        // Every replica once held everything up to the highest of these floors.
        for root in candidate.roots.values { raiseFloor(to: root.floor) }
        let own = context.store.tree(partition).root
        let floor = context.store.purgeFloor(partition)
        var equal = ReplicaMask(ownIndex)
        for (index, root) in candidate.roots where root.floor == floor && root.digest == own.digest {
            equal.insert(index)
        }
        let isProved = hearsAll ? equal == quorum.all : isReadQuorum(equal, strictly: mayHaveBeenReady)
        let isSettled = isProved || context.breaks(.compareRoots)
        let leader = Leader(
            ballot: candidate.ballot, replicas: quorum.members.count, isSettled: isSettled, hearsAll: hearsAll,
            now: now, options: context.options)
        for index in quorum.members.indices where equal.contains(index) {
            // A replica whose contents differ under the same versions must be compared.
            if let contents = candidate.roots[index]?.contents, contents != own.contents { continue }
            leader.progress[index].equalsLeader(at: now)
        }
        // A leader that leaves the replica set with the move may transfer the lead at once.
        if quorum.isJoint { leader.nextTransfer = now }
        self.leader = leader
        if hearsAll { context.decide(.hearAll) }
        if !isSettled { context.decide(.compareRoots) }
        if candidate.roots.values.contains(where: { $0.floor != floor }) { context.decide(.levelFloors) }
        if isSettled {
            becomeComplete()
            watchExpiry()
        }
        leaderHint = nil
        vacantSince = nil
        context.effects.append(.notice(.elected(partition, leader.ballot, settled: isSettled)))
        sendHeartbeat(leader)
        for index in quorum.members.indices where candidate.abstainers.contains(index) && index != ownIndex {
            noteAbstention(of: index, leader)
        }
        if !isSettled { beginSettling(leader) }
        repropose(candidate.unfinished.proposals, leader)
        for request in candidate.unfinished.requests.takeAll() { submit(request) }
        if quorum.isJoint { repair(leader) }
    }

    /// Tells the replicas at once that this node leads, without waiting for the next heartbeat of all leaderships.
    private func sendHeartbeat(_ leader: Leader) {
        for member in quorum.members where member != context.me {
            context.send(
                member,
                .shards(
                    .leaderHeartbeat(epoch: context.epoch, [Leadership(partition: partition, ballot: leader.ballot)])))
        }
    }

    /// Ends a leadership or candidacy of this node. Its requests are not ended: the next leadership takes them over.
    ///
    /// - Returns: What the next leadership takes over; nil if this node was neither leading nor preparing.
    func endLeadership() -> Unfinished? {
        if let candidate {
            self.candidate = nil
            guard candidate.phase == .preVoting else { return candidate.unfinished }
            // A pre-vote gives no claim to the lead, so its requests look for another leader.
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
            unfinished.proposals += recovery.reproposals
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

    /// Gives up the lead. A change that was sent, by this leadership or the one before, ends as unknown, because it may
    /// yet be chosen. Every other request has changed nothing, and is turned away so that another leader can execute
    /// it.
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
            for case let request? in recovery.reproposals.map(\.request) {
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
                served.count(request.command)
                execute(request, leader, keyIsKnown: false)
            }
        } else if let candidate {
            candidate.unfinished.requests.append(request, as: .electing)
        } else {
            context.turnAway(request, hint: leaderHint.flatMap { context.isUp($0) ? $0 : nil })
        }
    }

    /// Takes a request out of the queue that it is in.
    ///
    /// - Returns: The reason why the request was not executed; nil if it has been proposed, or is not with this
    ///   replica.
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

    /// Submits the held requests again, if a majority is in touch.
    func releaseHeld() {
        guard let leader, leader.transfer == nil, !leader.held.isEmpty, majorityIsUp else { return }
        for request in leader.held.takeAll() { submit(request) }
    }

    /// Executes a request.
    ///
    /// - Parameter keyIsKnown: This copy holds the latest record of the key, as a majority has just reported.
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

    /// Answers a read of the partition's only replica, which is a majority by itself, if the value is in memory and the
    /// key is not under change.
    ///
    /// - Returns: The outcome; nil if the read cannot be answered at once.
    func answerAtOnce(_ request: Request) -> Outcome? {
        guard quorum.members.count == 1, let leader, leader.isSettled, leader.transfer == nil,
            !leader.log.isInFlight(request.key),
            leader.backlogs.isEmpty, leader.recoveries.isEmpty
        else { return nil }
        switch context.store.readAtOnce(partition, request.key, request.hash) {
        case .absent: return served.counting(.absent)
        case .found(let record):
            if record.value == nil { return served.counting(.absent) }
            // An expired record may need a tombstone above it before the answer.
            return record.head.isPresent(at: context.now.wall) ? served.counting(.found(record)) : nil
        case .onDisk, nil: return nil
        }
    }

    /// Reads a key that is not under change from a settled leader's copy, with one look-up in the store.
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

    /// Proposes a tombstone above the key's latest record if that has expired, before an answer says that it has. The
    /// next leader's clock may be behind this one; or it may find a change that an earlier leader made while the record
    /// was there.
    ///
    /// - Parameter head: The key's latest record, in flight or not. No change of the key may be waiting to be
    ///   re-proposed.
    /// - Returns: The proposal to wait for; 0 if none is needed.
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

    /// Proposes tombstones above the latest records of these keys that have expired, in flight or not. A key that is
    /// being recovered is left out: if a change of the last leadership is yet to be re-proposed, a tombstone would make
    /// its outcome unknown.
    ///
    /// - Returns: False if keys were left out. Nobody may be told yet that their records have expired.
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

    /// Evaluates a request on its key's latest record. If that record is not known, the request waits for its recovery.
    ///
    /// - Parameter loaded: A record of the key that was read from disk some time ago.
    /// - Returns: The reason why the request cannot be evaluated yet; nil if it has been evaluated, or waits for a
    ///   recovery.
    func evaluate(_ request: Request, loaded: Record?, keyIsKnown: Bool, _ leader: Leader) -> Obstacle? {
        let base = leader.log.inFlight(request.key) ?? 0
        var latest: RecordHead?
        var record: Record?
        var latestExpiry = Expiry.never
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
            // Changes of the last leadership are re-proposed first.
            let isReproposed =
                leader.recoveries.isEmpty ? false : leader.recoveries[request.key]?.reproposals.isEmpty == false
            guard !isReproposed, isKnown || request.command.isBlind || skipsRecovery(request) else {
                recover(request.key, for: request, leader)
                return nil
            }
            if isKnown { latestExpiry = latest?.expiry ?? .never }
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
                    propose(request.key, draft, for: request, replacing: latestExpiry, leader)
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

    /// True if a test has switched off the rule that only chosen records are shown. Then changes are evaluated on this
    /// copy without a recovery.
    private func skipsRecovery(_ request: Request) -> Bool {
        context.breaks(.answerOnlyChosen) && request.command != .get
    }

    /// True if a request may be evaluated on a record in flight.
    ///
    /// If the record expires before it is chosen, it counts as never having been there, because until then a read
    /// without the leader may have found the record that it replaces. A change evaluated on it would then rest on
    /// nothing. So the change waits, unless everything that the record replaces expires no later than the record
    /// itself: then nobody can have found any of it once the record has expired.
    private func mayEvaluate(_ command: Command, on proposal: Proposal) -> Bool {
        if command == .get || command.isBlind { return true }
        let expiry = proposal.record.expiry
        return proposal.visibleUntil <= expiry || expiry.hasPassed(at: context.now.wall)
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

    /// Has an answer that changes nothing wait until the record that it rests on is chosen and a majority has confirmed
    /// the ballot.
    ///
    /// - Parameters:
    ///   - outcome: Nil if the value is being read from disk (`ticket`).
    ///   - base: The sequence of the proposal that the answer rests on; 0 if it rests on a chosen record.
    func wait(
        _ request: Request, _ outcome: Outcome?, loading ticket: ReadTicket? = nil, base: UInt64, _ leader: Leader
    ) {
        // The only replica is a majority, and the record that the answer rests on is chosen, so there is nothing to
        // wait for.
        if base == 0, quorum.members.count == 1, let outcome { return context.finish(request, outcome) }
        let expiry = expiryInFlight(request, base: base, leader)
        let id = leader.answers.append(request, outcome, base: base, expiry: expiry)
        if let ticket { context.load(ticket, for: .answer(partition, leader.ballot, id: id)) }
        leader.confirmations.want(after: context.look)
        context.markDirty(self)
    }

    /// When the record in flight that an answer rests on expires. It is `never` if that record is absent already or is
    /// not in flight, or if the answer is about a whole partition.
    private func expiryInFlight(_ request: Request, base: UInt64, _ leader: Leader) -> Expiry {
        guard !request.command.isOfPartition, let head = leader.log[base]?.record.head else { return .never }
        return head.isPresent(at: context.now.wall) ? head.expiry : .never
    }
}
