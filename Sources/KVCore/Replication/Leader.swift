import DequeModule

/// What the leader of a partition knows and waits for.
final class Leader {
    let ballot: Ballot
    let elected: Instant
    /// Its copy is known to hold every chosen record, chosen on a majority; but for what is in flight under its own ballot.
    var isSettled: Bool

    // Writes.
    /// The sequence of the newest proposal.
    var sequence: UInt64 = 0
    /// Proposals by sequence, from `base` on: in flight, or chosen and not yet at every replica.
    var proposals: Deque<Proposal> = []
    /// The sequence of `proposals.first`.
    var base: UInt64 = 1
    /// The newest proposal in flight of a key: what later changes of the key build on.
    var inFlight: [Key: UInt64] = [:]
    /// Made in this tick, not yet sent.
    var unsent: [UInt64] = []

    // Answers that change nothing.
    var answers: [WaitingAnswer] = []
    var lastAnswerID: UInt64 = 0
    /// Confirmation rounds: the newest asked for, whether the next is wanted, and the newest that each replica has confirmed.
    var round: UInt64 = 0
    var wantsRound = false
    var roundSent: Instant
    var confirmed: [UInt64]

    /// Operations that wait for a majority to be in touch, for a hand-over to end, or for the partition to settle.
    var held: [Operation] = []
    /// Keys whose latest record is being read from a majority.
    var recoveries: [Key: Recovery] = [:]
    var lastRecoveryID: UInt64 = 0
    var settling: Settling?
    /// How far each replica is, by index.
    var progress: [Progress]
    var transfer: Transfer?
    var nextTransfer: Instant

    init(ballot: Ballot, replicas: Int, isSettled: Bool, now: Instant, handbackDelay: Span) {
        self.ballot = ballot
        self.isSettled = isSettled
        elected = now
        roundSent = now
        confirmed = Array(repeating: 0, count: replicas)
        progress = Array(repeating: Progress(), count: replicas)
        nextTransfer = now + handbackDelay
    }

    /// Nil once it has left `proposals`, chosen and done with.
    func index(of sequence: UInt64) -> Int? {
        guard sequence >= base, sequence - base < UInt64(proposals.count) else { return nil }
        return Int(sequence - base)
    }

    func isChosen(_ sequence: UInt64) -> Bool {
        guard let index = index(of: sequence) else { return true }
        return proposals[index].isChosen
    }

    /// Nothing of this leader's is under way, so that another may take over and no operation is cut off.
    var isAtRest: Bool { inFlight.isEmpty && unsent.isEmpty && answers.isEmpty && recoveries.isEmpty }
}

/// One record under this leader's ballot.
struct Proposal {
    let key: Key
    let record: Record
    /// Who asked for it; nil for a record that is proposed again.
    let origin: OperationOrigin?
    /// The proposal of the same key that was in flight when this was made, 0 for none: it is chosen when this is.
    let previous: UInt64
    /// False where a later change of the key in the same tick travels for both.
    var isSent = false
    var sent: Instant
    /// When it was last sent again to those who had not answered, and how often.
    var resent: Instant
    var resends = 0
    var accepted = ReplicaMask()
    var isChosen = false

    /// What it holds in memory, about.
    var bytes: Int { 256 + key.bytes.count + (record.value?.count ?? 0) }
}

/// An answer that changes nothing: it waits until what it is based on is chosen, and until a majority has confirmed the
/// ballot after it came.
struct WaitingAnswer {
    let id: UInt64
    let operation: Operation
    /// Nil while the value is read from disk.
    var outcome: Outcome?
    /// The proposal it is based on; 0 where that is a record known to be chosen.
    let base: UInt64
    /// The confirmation round that it takes; 0 until the tick ends.
    var round: UInt64 = 0
}

struct Transfer {
    let target: NodeNumber
    let began: Instant
    var sent: Instant?
}

// MARK: - Executing operations

extension Replica {
    func become(leaderAfter candidate: Candidate) {
        let own = candidate.roots[ownIndex]
        var equal = ReplicaMask()
        for (index, root) in candidate.roots where root == own { equal.insert(index) }
        let isSettled = quorum.isMet(by: equal) || !context.options.rules.compareRoots
        let leader = Leader(
            ballot: candidate.ballot, replicas: quorum.members.count, isSettled: isSettled, now: now,
            handbackDelay: context.options.handbackDelay)
        for index in quorum.members.indices where equal.contains(index) { leader.progress[index].isCompared = true }
        self.leader = leader
        leaderHint = nil
        vacantSince = nil
        context.effects.append(.notice(.elected(partition, leader.ballot, settled: isSettled)))
        sendBeacon()
        if !isSettled { beginSettling() }
        for operation in candidate.held { submit(operation) }
    }

    /// Tells the replicas at once, rather than with the next summary.
    private func sendBeacon() {
        guard let leader else { return }
        for member in quorum.members where member != context.me {
            context.send(
                member,
                .leading(epoch: context.epoch, [Leadership(partition: partition, ballot: leader.ballot)]))
        }
    }

    /// Gives the lead up. What was proposed may yet be chosen; what was not has changed nothing and may be tried elsewhere.
    func stepDown(hint: NodeNumber?) {
        guard let leader else { return }
        self.leader = nil
        if let hint, hint != context.me { sawLeader(hint) }
        if leader.transfer != nil { context.transfers -= 1 }
        for index in leader.progress.indices {
            endComparison(with: index, leader)
            forgetSent(to: index, leader)
        }
        for proposal in leader.proposals { context.proposedBytes -= proposal.bytes }
        context.effects.append(.notice(.steppedDown(partition)))
        let redirect = ForwardResult.notLeader(hint: hint)
        let firstUnsent = leader.unsent.first ?? .max
        for proposal in leader.proposals where !proposal.isChosen {
            guard let origin = proposal.origin else { continue }
            let wasSent = proposal.record.version.sequence < firstUnsent
            context.results.append((origin, wasSent ? .outcome(.unknown(.leaderLost)) : redirect))
        }
        for answer in leader.answers { context.results.append((answer.operation.origin, redirect)) }
        for operation in leader.held { context.results.append((operation.origin, redirect)) }
        for key in leader.recoveries.keys.sorted() {
            for operation in leader.recoveries[key]?.operations ?? [] {
                context.results.append((operation.origin, redirect))
            }
        }
    }

    func submit(_ operation: Operation) {
        if let leader {
            if leader.transfer != nil || !majorityIsUp {
                leader.held.append(operation)
            } else {
                execute(operation, leader, keyIsKnown: false)
            }
        } else if let candidate {
            candidate.held.append(operation)
        } else {
            let hint = leaderHint.flatMap { context.isUp($0) ? $0 : nil }
            context.results.append((operation.origin, .notLeader(hint: hint)))
        }
    }

    /// Takes back an operation of this node's client; false where it has been proposed already.
    func withdraw(_ id: RequestID) -> Bool {
        let origin = OperationOrigin.local(id)
        func take(_ operations: inout [Operation]) -> Bool {
            guard let index = operations.firstIndex(where: { $0.origin == origin }) else { return false }
            operations.remove(at: index)
            return true
        }
        if let candidate { return take(&candidate.held) }
        guard let leader else { return false }
        if take(&leader.held) { return true }
        if let index = leader.answers.firstIndex(where: { $0.operation.origin == origin }) {
            leader.answers.remove(at: index)
            return true
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
        if case .list(let query) = operation.command { return executeList(operation, query, leader) }
        let base = leader.inFlight[operation.key] ?? 0
        let latest: RecordHead?
        if let index = leader.index(of: base), base != 0 {
            latest = leader.proposals[index].record.head
        } else {
            latest = context.store.head(partition, operation.key)
            let isKnown = leader.isSettled || keyIsKnown || latest?.version.ballot == leader.ballot
            let mayGuess = !context.options.rules.answerOnlyChosen && operation.command != .get
            guard isKnown || operation.command.isBlind || mayGuess else {
                return recover(operation.key, for: operation, leader)
            }
        }
        switch Evaluation(operation.command, latest: latest, wall: context.now.wall) {
        case .write(let value, let expiry, let contentType):
            guard value == nil || context.store.acceptsWrites else {
                return context.finish(operation.origin, .refused(.diskFull))
            }
            guard context.proposedBytes < context.options.maximumProposedBytes else {
                return context.finish(operation.origin, .refused(.overloaded))
            }
            propose(
                operation.key, value: value, expiry: expiry, contentType: contentType, origin: operation.origin, leader)
        case .answer(let outcome): wait(operation, outcome, base: base, leader)
        case .answerRecord: waitForRecord(operation, base: base, leader)
        }
    }

    private func waitForRecord(_ operation: Operation, base: UInt64, _ leader: Leader) {
        if base != 0, let index = leader.index(of: base) {
            return wait(operation, .found(leader.proposals[index].record), base: base, leader)
        }
        switch context.store.read(partition, operation.key) {
        case .absent: wait(operation, .absent, base: base, leader)
        case .found(let record): wait(operation, .found(record), base: base, leader)
        case .onDisk(let ticket):
            wait(operation, nil, base: base, leader)
            context.load(ticket, for: .answer(partition, leader.ballot, id: leader.lastAnswerID))
        }
    }

    private func executeList(_ operation: Operation, _ query: ListQuery, _ leader: Leader) {
        guard leader.isSettled else { return leader.held.append(operation) }
        var page = KeyPage(query)
        let wall = context.now.wall
        let fresh = unsentHeads(leader)
        context.store.forEach(partition) { key, head in
            if fresh[key] == nil, head.isPresent(at: wall) { page.offer(key) }
        }
        for (key, head) in fresh where head.isPresent(at: wall) { page.offer(key) }
        // A key under change is listed or not as the change will have it, once that is chosen.
        wait(operation, page.outcome, base: leader.sequence, leader)
    }

    /// What was proposed in this tick: the store does not hold it yet. It may be more than changes under way: a record
    /// that an earlier leader had acknowledged, and that this one has just found and proposed again.
    private func unsentHeads(_ leader: Leader) -> [Key: RecordHead] {
        var heads: [Key: RecordHead] = [:]
        for sequence in leader.unsent {
            guard let index = leader.index(of: sequence) else { continue }
            heads[leader.proposals[index].key] = leader.proposals[index].record.head
        }
        return heads
    }

    private func wait(_ operation: Operation, _ outcome: Outcome?, base: UInt64, _ leader: Leader) {
        leader.lastAnswerID += 1
        leader.answers.append(
            WaitingAnswer(id: leader.lastAnswerID, operation: operation, outcome: outcome, base: base))
        leader.wantsRound = true
        context.markDirty(self)
    }
}

// MARK: - Proposals

extension Replica {
    func propose(
        _ key: Key, value: [UInt8]?, expiry: Expiry, contentType: String, origin: OperationOrigin?, _ leader: Leader
    ) {
        leader.sequence += 1
        let sequence = leader.sequence
        let record = Record(
            version: Version(ballot: leader.ballot, sequence: sequence), expiry: expiry, value: value,
            contentType: contentType)
        let proposal = Proposal(
            key: key, record: record, origin: origin, previous: leader.inFlight[key] ?? 0, sent: now, resent: now)
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
            context.after(lastAppend, .accepted(partition, leader.ballot, sequence: sequence))
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
        var next = sequence
        while next != 0, let index = leader.index(of: next), !leader.proposals[index].isChosen {
            leader.proposals[index].isChosen = true
            let proposal = leader.proposals[index]
            if let origin = proposal.origin { context.finish(origin, .written(proposal.record.version)) }
            if leader.inFlight[proposal.key] == next { leader.inFlight[proposal.key] = nil }
            next = proposal.previous
        }
        answerWhatMayBe(leader)
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

// MARK: - Confirmed answers

extension Replica {
    private func beginRound(_ leader: Leader) {
        leader.wantsRound = false
        leader.round += 1
        leader.roundSent = now
        for index in leader.answers.indices.reversed() {
            guard leader.answers[index].round == 0 else { break }
            leader.answers[index].round = leader.round
        }
        sendConfirms(leader)
        answerWhatMayBe(leader)
    }

    private func sendConfirms(_ leader: Leader) {
        for member in quorum.members where member != context.me {
            context.send(member, .confirm(header(leader.ballot), round: leader.round))
        }
    }

    func resendConfirms(_ leader: Leader) {
        guard !leader.answers.isEmpty, leader.round > confirmedRound(leader),
            now - leader.roundSent >= context.options.retry
        else { return }
        leader.roundSent = now
        sendConfirms(leader)
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
        leader.answers.removeAll { answer in
            guard let outcome = answer.outcome else { return false }
            guard answer.round != 0 && answer.round <= confirmed || !rules.confirmReads else { return false }
            guard isChosen(answer, leader) || !rules.answerOnlyChosen else { return false }
            context.finish(answer.operation.origin, outcome)
            return true
        }
    }

    private func isChosen(_ answer: WaitingAnswer, _ leader: Leader) -> Bool {
        guard case .list = answer.operation.command else { return answer.base == 0 || leader.isChosen(answer.base) }
        guard answer.base >= leader.base else { return true }
        let count = min(answer.base - leader.base + 1, UInt64(leader.proposals.count))
        return leader.proposals.prefix(Int(count)).allSatisfy(\.isChosen)
    }

    func loadedAnswer(_ ballot: Ballot, id: UInt64, _ record: Record?) {
        guard let leader, leader.ballot == ballot, let index = leader.answers.firstIndex(where: { $0.id == id })
        else { return }
        leader.answers[index].outcome = record.map(Outcome.found) ?? .absent
        answerWhatMayBe(leader)
    }

    /// Refuses what has waited to its deadline without being proposed.
    func expireOperations(_ leader: Leader) {
        func expire(_ operation: Operation) -> Bool {
            guard operation.deadline <= now else { return false }
            context.finish(operation.origin, .refused(.noLeader))
            return true
        }
        leader.held.removeAll(where: expire)
        leader.answers.removeAll { expire($0.operation) }
        for key in leader.recoveries.keys.sorted() {
            guard let waiting = leader.recoveries[key]?.operations, !waiting.isEmpty else { continue }
            leader.recoveries[key]?.operations.removeAll(where: expire)
            dropRecoveryIfUnwanted(key, leader)
        }
    }
}
