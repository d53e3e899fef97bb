// How a leader repairs the other replicas: it sends the keys that it knows they have missed, and compares hash trees to
// find others (Dynamo's anti-entropy).

extension Replica {
    /// Notes that the replica at `index` has not acknowledged the newest record of `key`, and is not waited for any
    /// more.
    func missed(_ key: Key, by index: Int, _ leader: Leader) {
        guard !leader.progress[index].miss(key, limit: context.options.maximumMissed) else { return }
        endComparison(with: index, leader)
    }

    /// Takes the next step of repair with every peer: begins a comparison, or sends some of the records it has missed.
    func repair(_ leader: Leader) {
        guard leader.isSettled else { return }
        for (index, member) in quorum.members.enumerated() where index != ownIndex {
            guard context.isUp(member) else {
                endComparison(with: index, leader)
                giveUpRepairs(to: index, leader)
                continue
            }
            resendRepaired(to: index, leader)
            considerComparison(with: index, leader)
            sendMissed(to: index, leader)
            considerComplete(index, leader)
        }
    }

    private func considerComparison(with index: Int, _ leader: Leader) {
        guard leader.progress[index].wantsComparison(at: now, every: context.options.recompare) else { return }
        guard let comparison = leader.progress[index].comparison else {
            // The tree is asked for when it takes no work.
            guard !context.store.isPurging(partition) else { return }
            let peer = quorum.members[index]
            guard context.comparisons[peer, default: 0] < context.options.maximumComparisons else { return }
            context.comparisons[peer, default: 0] += 1
            leader.progress[index].beginComparison(at: now, newest: leader.log.last)
            return request(.leaves, of: index, leader)
        }
        if comparison.isPaused { return compareNextLeaf(with: index, leader) }
        guard let again = leader.progress[index].requestAgain(at: now, after: context.options.retry) else { return }
        request(again, of: index, leader)
    }

    private func request(_ request: Comparison.Request, of index: Int, _ leader: Leader) {
        let message: ReplicaMessage =
            switch request {
            case .leaves: .leaves(floor: context.store.purgeFloor(partition))
            case .entries(let leaf): .entries(leaf: UInt16(leaf))
            }
        context.send(quorum.members[index], .replica(header(leader.ballot), message))
    }

    func endComparison(with index: Int, _ leader: Leader) {
        if leader.progress[index].endComparison() { comparisonEnded(with: index) }
    }

    /// Makes room for a comparison of another partition with this peer.
    private func comparisonEnded(with index: Int) {
        let count = context.comparisons[quorum.members[index], default: 0]
        assert(count > 0, "a comparison that ends was counted")
        context.comparisons[quorum.members[index]] = count - 1
    }

    func receiveLeavesResult(
        _ header: PartitionHeader, floor: Version, leaves: [Digest], contents: [UInt64], from node: NodeNumber
    ) {
        guard let (leader, index) = leader(answered: header, by: node) else { return }
        raiseFloor(to: floor)
        // Leaves at another floor than this copy's cannot be compared. They are asked for again.
        guard floor == context.store.purgeFloor(partition) else { return context.decide(.levelFloors) }
        guard leader.isSettled else { return settleWithLeaves(leaves, of: index, leader) }
        guard let comparison = leader.progress[index].comparison, comparison.leaves == nil,
            let differing = context.store.tree(partition).differing(from: leaves, contents)
        else { return }
        leader.progress[index].takeLeaves(differing, empty: Set(differing.filter { leaves[$0] == Digest() }))
        compareNextLeaf(with: index, leader)
    }

    private func compareNextLeaf(with index: Int, _ leader: Leader) {
        let limit = context.options.maximumMissed / 2
        while let step = leader.progress[index].nextStep(at: now, newest: leader.log.last, limit: limit) {
            switch step {
            case .done(let foundMissing):
                comparisonEnded(with: index)
                if foundMissing { context.decide(.compareAgain) }
                return considerReadiness(leader)
            case .ask(let leaf): return request(.entries(leaf: leaf), of: index, leader)
            case .empty(let leaf):
                takeDifferences(leaf: leaf, theirs: [:], with: index, leader)
                sendMissed(to: index, leader)
            }
        }
    }

    func receiveEntriesResult(_ header: PartitionHeader, leaf: Int, entries: [KeyVersion], from node: NodeNumber) {
        guard let (leader, index) = leader(answered: header, by: node) else { return }
        guard leader.isSettled else { return settleWithEntries(entries, leaf: leaf, of: index, leader) }
        guard leader.progress[index].comparison?.leaves?.first == leaf else { return }
        var theirs: [Key: KeyVersion] = [:]
        for entry in entries { theirs[entry.key] = entry }
        takeDifferences(leaf: leaf, theirs: theirs, with: index, leader)
        compareNextLeaf(with: index, leader)
        sendMissed(to: index, leader)
    }

    /// Compares the keys of the comparison's first leaf. Records that the peer lacks are to be sent to it, and records
    /// that only the peer has are overruled.
    private func takeDifferences(leaf: Int, theirs: [Key: KeyVersion], with index: Int, _ leader: Leader) {
        let newest = Version(ballot: leader.ballot, sequence: leader.progress[index].comparison?.newest ?? 0)
        var foundMissing = false
        var behind: [Key] = []
        var orphans: [Key] = theirs.keys.filter { context.store.head(partition, $0) == nil }
        var conflicts: [Key] = []
        context.store.forEach(partition, leaf: leaf) { key, head, checksum in
            let their = theirs[key]?.version ?? .zero
            if their < head.version {
                behind.append(key)
                if head.version <= newest { foundMissing = true }
            }
            if their > head.version { orphans.append(key) }
            if their == head.version, let other = theirs[key]?.checksum, other != checksum { conflicts.append(key) }
        }
        let missed = behind.sorted().filter { !leader.log.isInFlight($0) }
        for key in orphans.sorted() where !leader.log.isInFlight(key) { overrule(key, theirs[key]?.version, leader) }
        for key in conflicts.sorted() where !leader.log.isInFlight(key) { end(conflictOver: key, with: index, leader) }
        leader.progress[index].finishLeaf(
            behind: missed, foundMissing: foundMissing || !orphans.isEmpty || !conflicts.isEmpty)
    }

    /// Overrules a record that only a replica holds: an earlier leader proposed it, and it was never chosen. This
    /// leader's own copy, which is the truth, is proposed again above it.
    private func overrule(_ key: Key, _ version: Version?, _ leader: Leader) {
        // A recovery that is under way may find this copy chosen, and then proposes nothing. One that is reading this
        // copy from disk will propose it.
        guard let version, version.ballot < leader.ballot, leader.recoveries[key]?.isLoading != true else { return }
        context.decide(.overruleUnchosen)
        recoverOwn(key, leader)
    }

    /// Ends a conflict: a replica holds another value than this leader under one version. A version names one change,
    /// so a store must have forgotten that it had used the ballot. Either value may have been acknowledged. Clients now
    /// read this leader's value, so it is proposed again, and the replicas become level under the new version.
    private func end(conflictOver key: Key, with index: Int, _ leader: Leader) {
        guard leader.recoveries[key]?.isLoading != true else { return }
        context.effects.append(.notice(.conflict(partition, key, with: quorum.members[index])))
        recoverOwn(key, leader)
    }

    private func recoverOwn(_ key: Key, _ leader: Leader) {
        switch context.store.read(partition, key) {
        case .absent: propose(key, .tombstone, leader)
        case .found(let record): proposeAgain(key, record, leader)
        case .onDisk(let ticket):
            if leader.recoveries[key] == nil {
                leader.lastRecoveryID += 1
                leader.recoveries[key] = Recovery(
                    id: leader.lastRecoveryID, sent: now, answered: ReplicaMask(ownIndex))
            }
            leader.recoveries[key]?.isLoading = true
            context.load(ticket, for: .propose(partition, leader.ballot, key))
        }
    }

    private func sendMissed(to index: Int, _ leader: Leader) {
        let peer = quorum.members[index]
        guard leader.isSettled, context.isUp(peer) else { return }
        let isMoving = quorum.isJoiningNode(index)
        while leader.progress[index].hasMissed(window: context.options.repairWindow),
            context.repairing[peer, default: 0] + context.repairLoads[peer, default: 0] < context.options.repairBytes
        {
            guard !isMoving || context.mayMove else { return throttle() }
            guard let key = leader.progress[index].nextMissed() else { return assertionFailure("a missed key is left") }
            guard !leader.log.isInFlight(key) else { continue }
            switch context.store.readLater(partition, key) {
            case .absent: continue
            case .found(let record):
                let bytes = sendAgain(key, record, to: index, leader)
                if isMoving { context.moved(bytes) }
            case .onDisk(let ticket):
                if isMoving { context.moved(ticket.bytes) }
                leader.progress[index].beginLoading()
                context.repairLoads[peer, default: 0] += ticket.bytes
                context.loadLater(
                    ticket, for: .repair(partition, leader.ballot, to: peer, key, bytes: ticket.bytes))
            }
        }
    }

    private func throttle() {
        if !isThrottled { context.throttled.append(partition) }
        isThrottled = true
    }

    /// Goes on sending to joining nodes, after a wait for `mayMove`.
    func continueMoving() {
        isThrottled = false
        guard let leader else { return }
        for index in quorum.members.indices where quorum.isJoiningNode(index) { sendMissed(to: index, leader) }
    }

    /// Sends a record to a replica that has missed it.
    ///
    /// - Returns: The bytes of the key and the value.
    @discardableResult
    private func sendAgain(_ key: Key, _ record: Record, to index: Int, _ leader: Leader) -> Int {
        let bytes = key.bytes.count + (record.value?.count ?? 0)
        let more = leader.progress[index].noteSent(record.version, key, bytes: bytes, at: now)
        context.repairing[quorum.members[index], default: 0] += more
        context.send(quorum.members[index], .replica(header(leader.ballot), .accept(key: key, record: record)))
        return bytes
    }

    func loadedToRepair(_ ballot: Ballot, to node: NodeNumber, _ key: Key, _ value: LoadedValue) {
        // Late: the leader that asked for it has stepped down.
        guard let leader, leader.ballot == ballot, let index = quorum.index(of: node) else { return }
        leader.progress[index].endLoading()
        // A key in flight goes to every replica anyway, and this record may not be the latest chosen.
        guard !leader.log.isInFlight(key) else { return }
        switch value {
        case .record(let record): sendAgain(key, record, to: index, leader)
        case .gone: break
        // The replica goes on missing it until this copy has been repaired.
        case .damaged: leader.progress[index].missAgain(key)
        }
    }

    /// Counts records that were sent to a replica and not acknowledged in time as missed again.
    private func resendRepaired(to index: Int, _ leader: Leader) {
        guard leader.progress[index].awaitsAcknowledgements else { return }
        let pause = context.options.retry.doubled(leader.progress[index].silence, atMost: 4)
        let underway = context.repairing[quorum.members[index], default: 0]
        let patience = windows[index].patience(pause, more: underway, context.options)
        leaveRepair(leader.progress[index].giveUp(after: patience, at: now), of: index)
    }

    /// Notes that the replica at `index` has acknowledged a version, which may have been sent as a repair.
    func acknowledged(_ version: Version, by index: Int, _ leader: Leader) {
        guard let bytes = leader.progress[index].noteAcknowledged(version) else { return }
        leaveRepair(bytes, of: index)
        sendMissed(to: index, leader)
        if leader.progress[index].comparison?.isPaused == true { compareNextLeaf(with: index, leader) }
        // A partition that moves should not wait for the next timer at each step.
        if quorum.isJoint, leader.progress[index].isLevel { considerComparison(with: index, leader) }
    }

    /// Counts all repaired records on their way to a peer as missed again, because the peer is out of touch or this
    /// leader has stepped down.
    func giveUpRepairs(to index: Int, _ leader: Leader) {
        leaveRepair(leader.progress[index].giveUpAll(), of: index)
    }

    /// Notes that repaired records of so many bytes are no longer on their way to the peer.
    private func leaveRepair(_ bytes: Int, of index: Int) {
        guard bytes > 0 else { return }
        let underway = context.repairing[quorum.members[index], default: 0]
        assert(underway >= bytes, "bytes that arrived were counted when they were sent")
        context.repairing[quorum.members[index]] = underway - bytes
    }
}
