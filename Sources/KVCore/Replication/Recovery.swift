/// A recovery of one key: its latest record is being read from a majority that has promised the leader's ballot.
struct Recovery {
    let id: UInt64
    var sent: Instant
    /// The replicas that have answered. The leader itself counts from the start.
    var answered: ReplicaMask
    /// The records that the other replicas hold, by replica. A replica without a record has no entry.
    var records: [Int: Record] = [:]
    /// True if this leader's own copy is the latest and is being read from disk, to be proposed again.
    var isLoading = false
    /// The requests that wait for it. There are none if only settling needs it.
    var requests = RequestQueue()
    /// The changes of the key that the last leadership of this node had in flight, oldest first.
    var reproposals: [Unfinished.InFlight] = []
}

// MARK: - Recovering a key

extension Replica {
    func recover(_ key: Key, for request: Request?, _ leader: Leader) {
        if leader.recoveries[key] != nil {
            if let request { leader.recoveries[key]?.requests.append(request, as: .recovering) }
            return
        }
        leader.lastRecoveryID += 1
        let recovery = Recovery(
            id: leader.lastRecoveryID, sent: now, answered: ReplicaMask(ownIndex),
            requests: request.map { RequestQueue($0, as: .recovering) } ?? RequestQueue())
        leader.recoveries[key] = recovery
        if isReadQuorum(recovery.answered, strictly: false) { return resolve(key, recovery, leader) }
        sendReads(key, recovery, leader)
    }

    /// Re-proposes the writes in flight of this node's last leadership, key by key.
    ///
    /// If the latest record of a key is still the one that was proposed last, nobody has changed or overruled it.
    /// Proposing it again is the same change, and its requests are answered. If the latest record is another one,
    /// another leader has been active, and the outcome is unknown.
    func repropose(_ proposals: [Unfinished.InFlight], _ leader: Leader) {
        var keys: [Key] = []
        context.reproposedChanges += proposals.count
        for proposal in proposals {
            guard leader.recoveries[proposal.key] == nil else {
                leader.recoveries[proposal.key]?.reproposals.append(proposal)
                continue
            }
            leader.lastRecoveryID += 1
            leader.recoveries[proposal.key] = Recovery(
                id: leader.lastRecoveryID, sent: now, answered: ReplicaMask(ownIndex),
                reproposals: [proposal])
            keys.append(proposal.key)
        }
        for key in keys {
            guard let recovery = leader.recoveries[key] else { continue }
            if isReadQuorum(recovery.answered, strictly: false) {
                resolve(key, recovery, leader)
            } else {
                sendReads(key, recovery, leader)
            }
        }
    }

    private func sendReads(_ key: Key, _ recovery: Recovery, _ leader: Leader) {
        for (index, member) in quorum.members.enumerated() where !recovery.answered.contains(index) {
            context.send(member, .replica(header(leader.ballot), .read(id: recovery.id, key: key)))
        }
    }

    func resendReads(_ leader: Leader) {
        guard !leader.recoveries.isEmpty else { return }
        let late = leader.recoveries.filter { now - $0.value.sent >= context.options.retry && !$0.value.isLoading }
        for key in late.keys.sorted() {
            leader.recoveries[key]?.sent = now
            guard let recovery = leader.recoveries[key] else { continue }
            if isReadQuorum(recovery.answered, strictly: false) {
                // This is the only replica, and its value could not be read.
                resolve(key, recovery, leader)
            } else {
                sendReads(key, recovery, leader)
            }
        }
    }

    func receiveReadResult(_ header: PartitionHeader, id: UInt64, record: Record?, key: Key, from node: NodeNumber) {
        guard let (leader, index) = leader(answered: header, by: node), var recovery = leader.recoveries[key],
            recovery.id == id, !recovery.answered.contains(index)
        else { return }
        recovery.answered.insert(index)
        recovery.records[index] = record
        leader.recoveries[key] = recovery
        if isReadQuorum(recovery.answered, strictly: false), !recovery.isLoading { resolve(key, recovery, leader) }
    }

    /// Ends a recovery once a majority has answered: the highest version is the latest that can have been chosen. If
    /// this leader and a majority hold exactly that version, it is chosen. Otherwise it is proposed again under this
    /// ballot.
    private func resolve(_ key: Key, _ recovery: Recovery, _ leader: Leader) {
        // Invariant 4: chosen stays. A chosen record is on a majority, which shares a replica with the majority that
        // has answered.
        assert(isReadQuorum(recovery.answered, strictly: false), "a key is resolved once a majority has answered")
        let own = context.store.head(partition, key)
        guard !leader.log.isInFlight(key), own?.version.ballot != leader.ballot else {
            return finishRecovery(key, leader)
        }
        var best = own?.version ?? .zero
        for record in recovery.records.values { best = max(best, record.version) }
        guard best != .zero else { return finishRecovery(key, leader) }
        var holders = ReplicaMask()
        if own?.version == best { holders.insert(ownIndex) }
        for (index, record) in recovery.records where record.version == best { holders.insert(index) }
        let remote = recovery.records.values.first { $0.version == best }

        // A leader that is not settled cannot know whether the partition has been ready to switch to the next set. So
        // the holders must be majorities of both sets.
        let isChosenAndHeld = holders.contains(ownIndex) && quorum.isMet(by: holders)
        if isChosenAndHeld {
            endReproposed(key, latest: best, isChosen: true, leader)
            return finishRecovery(key, leader)
        }
        context.decide(.proposeAgain)
        if let remote {
            proposeAgain(key, remote, leader)
            endReproposed(key, latest: best, isChosen: false, leader)
        } else {
            switch context.store.read(partition, key) {
            case .absent: break
            case .found(let record):
                proposeAgain(key, record, leader)
                endReproposed(key, latest: best, isChosen: false, leader)
            case .onDisk(let ticket):
                leader.recoveries[key]?.isLoading = true
                context.load(ticket, for: .propose(partition, leader.ballot, key))
                return
            }
        }
        finishRecovery(key, leader)
    }

    func loadedToPropose(_ ballot: Ballot, _ key: Key, _ value: LoadedValue) {
        // Late: an earlier leadership began the read, or the key has been changed meanwhile.
        guard let leader, leader.ballot == ballot, leader.recoveries[key]?.isLoading == true else { return }
        let isSuperseded = leader.log.isInFlight(key) || context.store.head(partition, key)?.version.ballot == ballot
        // (A settled leader does not ask other replicas instead: its copy is the truth. It tries again once the value
        // can be read.)
        if case .damaged = value, !isSuperseded, !leader.isSettled { return restartRecovery(key, leader) }
        if case .record(let record) = value, !isSuperseded {
            proposeAgain(key, record, leader)
            endReproposed(key, latest: record.version, isChosen: false, leader)
        }
        finishRecovery(key, leader)
    }

    /// Begins a recovery anew because this copy is the latest that is known and its value cannot be read. The record
    /// may have been chosen, so nothing can be said of the key, and nothing proposed, until another replica has given
    /// the value: to repair this copy, or in an answer to the new recovery.
    private func restartRecovery(_ key: Key, _ leader: Leader) {
        guard let recovery = leader.recoveries[key] else {
            return assertionFailure("a recovery that begins anew has been under way")
        }
        leader.lastRecoveryID += 1
        leader.recoveries[key] = Recovery(
            id: leader.lastRecoveryID, sent: now, answered: ReplicaMask(ownIndex), requests: recovery.requests,
            reproposals: recovery.reproposals)
        dropRecoveryIfUnwanted(key, leader)
    }

    /// Ends the changes of a key that were to be re-proposed.
    ///
    /// - Parameter latest: The version of the key's latest record, which is chosen, or has just been proposed again.
    func endReproposed(_ key: Key, latest: Version, isChosen: Bool, _ leader: Leader) {
        guard let reproposals = leader.recoveries[key]?.reproposals, let last = reproposals.last else { return }
        leader.recoveries[key]?.reproposals = []
        guard last.version == latest else { return loseTrack(of: reproposals) }
        if isChosen {
            for change in reproposals {
                guard let request = change.request else { continue }
                context.finish(request, request.written(as: change.version))
            }
        } else {
            leader.log.newest?.repropose(reproposals)
        }
    }

    private func loseTrack(of reproposals: [Unfinished.InFlight]) {
        if !reproposals.isEmpty { context.decide(.loseTrack) }
        for case let request? in reproposals.map(\.request) { context.finish(request, .unknown(.leaderLost)) }
    }

    func proposeAgain(_ key: Key, _ record: Record, _ leader: Leader) {
        propose(key, Draft(record), leader)
    }

    /// Drops a recovery that nothing waits for any more. Such recoveries would otherwise gather while no majority
    /// answers.
    func dropRecoveryIfUnwanted(_ key: Key, _ leader: Leader) {
        guard let recovery = leader.recoveries[key], recovery.requests.isEmpty, recovery.reproposals.isEmpty,
            !recovery.isLoading, leader.settling?.recovering.contains(key) != true
        else { return }
        leader.recoveries[key] = nil
    }

    func finishRecovery(_ key: Key, _ leader: Leader) {
        guard var recovery = leader.recoveries.removeValue(forKey: key) else {
            return assertionFailure("a recovery ends once")
        }
        // Changes whose outcome is known have been removed from it before.
        loseTrack(of: recovery.reproposals)
        for request in recovery.requests.takeAll() { execute(request, leader, keyIsKnown: true) }
        advanceSettling(leader)
    }
}
