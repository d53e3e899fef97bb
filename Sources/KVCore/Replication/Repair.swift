import DequeModule

/// How far behind its leader a replica is. (etcd's `tracker.Progress` is the model; without a log, what is missed is a
/// set of keys, and past a bound the hash trees find them.)
struct Progress {
    /// Its tree has been compared with the leader's: what it misses is in `missed`, on its way, or in flight.
    var isCompared = false
    /// Since when.
    var comparedSince: Instant?
    /// A comparison has found nothing that it missed, but for what was changed meanwhile.
    var isVerified = false
    /// Keys it missed, at most `ShardOptions.maximumMissed` and those of one leaf.
    var missed: Deque<Key> = []
    /// Records sent to it again, by version.
    var sent: [Version: Sent] = [:]
    /// Records being read for it.
    var loading = 0
    var comparison: Comparison?
    /// Bytes of keys and values sent to it again under this leader.
    var bytesSent: UInt64 = 0
    /// How many times in a row what was sent again found no answer: its disk may be full. Each doubles the pause.
    var silence = 0

    /// Its copy may lack records that it has acknowledged: see Abstaining.swift.
    var abstains = false
    /// It then lacks nothing but what is on its way, up to this proposal; and when it was told so.
    var levelAt: UInt64?
    var toldComplete: Instant?

    /// As far as the leader knows it holds everything that is not in flight.
    var isLevel: Bool { isCompared && missed.isEmpty && sent.isEmpty && loading == 0 && comparison == nil }

    struct Sent {
        let key: Key
        let at: Instant
        let bytes: Int
    }

    /// It may have lost what it had.
    mutating func restart() {
        isCompared = false
        isVerified = false
        abstains = false
        levelAt = nil
    }
}

/// One tree against another.
struct Comparison {
    var sent: Instant
    /// The newest proposal when it began: what is newer may differ for being on its way.
    let sequence: UInt64
    /// Leaves still to be compared key by key; nil until the others' leaves have come.
    var leaves: Deque<Int>?
    /// Those of which the peer holds nothing at all, so that there is nothing to ask.
    var empty: Set<Int> = []
    /// It has found something that the peer missed.
    var foundMissing = false
    /// The next leaf waits until much of what the last ones showed is on its way.
    var isPaused = false
}

extension Replica {
    func missed(_ key: Key, by index: Int, _ leader: Leader) {
        guard leader.progress[index].isCompared || leader.progress[index].comparison != nil else { return }
        if leader.progress[index].missed.count < context.options.maximumMissed {
            leader.progress[index].missed.append(key)
        } else {
            // Too many to remember: find them by comparing, from the beginning.
            endComparison(with: index, leader)
            leader.progress[index].isCompared = false
            leader.progress[index].isVerified = false
            leader.progress[index].missed.removeAll()
        }
    }

    /// One step towards level replicas: for every peer in touch, start a comparison or send some of what it missed.
    func mend(_ leader: Leader) {
        guard leader.isSettled else { return }
        for (index, member) in quorum.members.enumerated() where index != ownIndex {
            guard context.isUp(member) else {
                endComparison(with: index, leader)
                forgetSent(to: index, leader)
                continue
            }
            resendRepaired(to: index, leader)
            considerComparison(with: index, leader)
            sendMissed(to: index, leader)
            considerComplete(index, leader)
        }
    }

    private func considerComparison(with index: Int, _ leader: Leader) {
        if leader.progress[index].isLevel, wantsComparison(index, leader) { leader.progress[index].isCompared = false }
        if !leader.progress[index].isCompared { compare(with: index, leader) }
    }

    /// Once more: to prove a copy level before anything rests on it, and now and then in case a disk has forgotten.
    private func wantsComparison(_ index: Int, _ leader: Leader) -> Bool {
        let isVerified = leader.progress[index].isVerified
        guard let since = leader.progress[index].comparedSince, isVerified else { return !isVerified }
        return now - since >= context.options.recompare
    }

    private func compare(with index: Int, _ leader: Leader) {
        let peer = quorum.members[index]
        if let comparison = leader.progress[index].comparison {
            if comparison.isPaused { return compareNextLeaf(with: index, leader) }
            guard now - comparison.sent >= context.options.retry else { return }
        } else {
            guard context.comparisons[peer, default: 0] < context.options.maximumComparisons else { return }
            context.comparisons[peer, default: 0] += 1
            leader.progress[index].comparison = Comparison(sent: now, sequence: leader.sequence)
        }
        leader.progress[index].comparison?.sent = now
        if let leaf = leader.progress[index].comparison?.leaves?.first {
            context.send(peer, .replica(header(leader.ballot), .entries(leaf: UInt16(leaf))))
        } else {
            context.send(peer, .replica(header(leader.ballot), .leaves(floor: context.store.purgeFloor(partition))))
        }
    }

    func endComparison(with index: Int, _ leader: Leader) {
        guard leader.progress[index].comparison != nil else { return }
        leader.progress[index].comparison = nil
        context.comparisons[quorum.members[index], default: 0] -= 1
    }

    func receiveLeavesResult(
        _ header: PartitionHeader, floor: Version, leaves: [Digest], contents: [UInt64], from node: NodeNumber
    ) {
        guard let leader, header.ballot == leader.ballot, let index = quorum.index(of: node) else { return }
        raiseFloor(to: floor)
        // Of another floor than this copy's they do not compare; they are asked for again.
        guard floor == context.store.purgeFloor(partition) else { return context.decide(.levelFloors) }
        guard leader.isSettled else { return settleWithLeaves(leaves, of: index, leader) }
        guard let comparison = leader.progress[index].comparison, comparison.leaves == nil,
            let differing = context.store.tree(partition).differing(from: leaves, contents)
        else { return }
        leader.progress[index].comparison?.leaves = Deque(differing)
        leader.progress[index].comparison?.empty = Set(differing.filter { leaves[$0] == Digest() })
        compareNextLeaf(with: index, leader)
    }

    private func compareNextLeaf(with index: Int, _ leader: Leader) {
        while let comparison = leader.progress[index].comparison {
            guard let leaf = comparison.leaves?.first else {
                endComparison(with: index, leader)
                leader.progress[index].isCompared = true
                leader.progress[index].isVerified = !comparison.foundMissing
                if comparison.foundMissing { context.decide(.compareAgain) }
                leader.progress[index].comparedSince = now
                comparedIncomplete(index, leader)
                return considerReadiness(leader)
            }
            let isFull = leader.progress[index].missed.count >= context.options.maximumMissed / 2
            leader.progress[index].comparison?.isPaused = isFull
            guard !isFull else { return }
            leader.progress[index].comparison?.sent = now
            guard comparison.empty.contains(leaf) else {
                return context.send(
                    quorum.members[index], .replica(header(leader.ballot), .entries(leaf: UInt16(leaf))))
            }
            takeDifferences(leaf: leaf, theirs: [:], with: index, leader)
            sendMissed(to: index, leader)
        }
    }

    func receiveEntriesResult(_ header: PartitionHeader, leaf: Int, entries: [KeyVersion], from node: NodeNumber) {
        guard let leader, header.ballot == leader.ballot, let index = quorum.index(of: node) else { return }
        guard leader.isSettled else { return settleWithEntries(entries, leaf: leaf, of: index, leader) }
        guard leader.progress[index].comparison?.leaves?.first == leaf else { return }
        var theirs: [Key: KeyVersion] = [:]
        for entry in entries { theirs[entry.key] = entry }
        takeDifferences(leaf: leaf, theirs: theirs, with: index, leader)
        compareNextLeaf(with: index, leader)
        sendMissed(to: index, leader)
    }

    /// The first leaf of the comparison is done: what the peer misses of it is to be sent, what it has too much to be
    /// overruled.
    private func takeDifferences(leaf: Int, theirs: [Key: KeyVersion], with index: Int, _ leader: Leader) {
        let newest = Version(ballot: leader.ballot, sequence: leader.progress[index].comparison?.sequence ?? 0)
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
        for key in behind.sorted() where leader.inFlight[key] == nil { leader.progress[index].missed.append(key) }
        for key in orphans.sorted() where leader.inFlight[key] == nil { overrule(key, theirs[key]?.version, leader) }
        for key in conflicts.sorted() where leader.inFlight[key] == nil { end(conflictOver: key, with: index, leader) }
        if foundMissing || !orphans.isEmpty || !conflicts.isEmpty {
            leader.progress[index].comparison?.foundMissing = true
        }
        leader.progress[index].comparison?.leaves?.removeFirst()
    }

    /// A replica holds a record that was proposed by an earlier leader and never chosen: this leader's own copy is the
    /// truth, and is proposed again above it.
    private func overrule(_ key: Key, _ version: Version?, _ leader: Leader) {
        // A read of the key that is under way may find this copy chosen, and propose nothing; one that has it loaded
        // will.
        guard let version, version.ballot < leader.ballot, leader.recoveries[key]?.isLoading != true else { return }
        context.decide(.overruleUnchosen)
        recoverOwn(key, leader)
    }

    /// A replica holds another value than this leader under one version. A ballot names one leadership and a version
    /// one change, so a store must have forgotten that it had used the ballot. Either value may have been acknowledged.
    /// This leader's is what clients read now: it is proposed again, and the replicas are level under a version of its
    /// own.
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
        while leader.progress[index].sent.count + leader.progress[index].loading < context.options.repairWindow,
            context.repairing[peer, default: 0] + context.repairLoads[peer, default: 0] < context.options.repairBytes,
            !leader.progress[index].missed.isEmpty
        {
            guard !isMoving || context.mayMove else { return throttle() }
            guard let key = leader.progress[index].missed.popFirst() else { return }
            guard leader.inFlight[key] == nil else { continue }
            switch context.store.readLater(partition, key) {
            case .absent: continue
            case .found(let record):
                let bytes = sendAgain(key, record, to: index, leader)
                if isMoving { context.moved(bytes) }
            case .onDisk(let ticket):
                if isMoving { context.moved(ticket.bytes) }
                leader.progress[index].loading += 1
                context.repairLoads[peer, default: 0] += ticket.bytes
                context.loadLater(
                    ticket, for: .mend(partition, leader.ballot, to: peer, key, bytes: ticket.bytes))
            }
        }
    }

    private func throttle() {
        if !isThrottled { context.throttled.append(partition) }
        isThrottled = true
    }

    /// It had to wait with what it moves.
    func goOnMoving() {
        isThrottled = false
        guard let leader else { return }
        for index in quorum.members.indices where quorum.isJoiningNode(index) { sendMissed(to: index, leader) }
    }

    /// Returns the bytes of the key and the value.
    @discardableResult
    private func sendAgain(_ key: Key, _ record: Record, to index: Int, _ leader: Leader) -> Int {
        let bytes = key.bytes.count + (record.value?.count ?? 0)
        forgetSent(record.version, to: index, leader)
        leader.progress[index].sent[record.version] = Progress.Sent(key: key, at: now, bytes: bytes)
        context.repairing[quorum.members[index], default: 0] += bytes
        leader.progress[index].bytesSent &+= UInt64(bytes)
        context.send(quorum.members[index], .replica(header(leader.ballot), .accept(key: key, record: record)))
        return bytes
    }

    func loadedToMend(_ ballot: Ballot, to node: NodeNumber, _ key: Key, _ value: LoadedValue) {
        guard let leader, leader.ballot == ballot, let index = quorum.index(of: node) else { return }
        leader.progress[index].loading -= 1
        // A key in flight goes to every replica anyway, and this record may not be the latest chosen.
        guard leader.inFlight[key] == nil else { return }
        switch value {
        case .record(let record): sendAgain(key, record, to: index, leader)
        case .gone: break
        // It is missed until this copy has been repaired.
        case .damaged: leader.progress[index].missed.append(key)
        }
    }

    /// What was sent again and not answered is missed still.
    private func resendRepaired(to index: Int, _ leader: Leader) {
        guard !leader.progress[index].sent.isEmpty else { return }
        let silence = leader.progress[index].silence
        let pause = Nanoseconds(nanoseconds: context.options.retry.nanoseconds << UInt64(min(silence, 4)))
        let underway = context.repairing[quorum.members[index], default: 0]
        let patience = windows[index].patience(pause, more: underway, context.options)
        let late = leader.progress[index].sent.filter { now - $0.value.at >= patience }
        if !late.isEmpty { leader.progress[index].silence += 1 }
        for (version, sent) in late.sorted(by: { $0.key < $1.key }) {
            forgetSent(version, to: index, leader)
            leader.progress[index].missed.append(sent.key)
        }
    }

    func mended(_ version: Version, at index: Int, _ leader: Leader) {
        guard forgetSent(version, to: index, leader) else { return }
        leader.progress[index].silence = 0
        sendMissed(to: index, leader)
        if leader.progress[index].comparison?.isPaused == true { compareNextLeaf(with: index, leader) }
        // A partition that moves is not to wait for the next timer at each step.
        if quorum.isJoint, leader.progress[index].isLevel { considerComparison(with: index, leader) }
    }

    @discardableResult
    private func forgetSent(_ version: Version, to index: Int, _ leader: Leader) -> Bool {
        guard !leader.progress[index].sent.isEmpty,
            let sent = leader.progress[index].sent.removeValue(forKey: version)
        else { return false }
        context.repairing[quorum.members[index], default: 0] -= sent.bytes
        return true
    }

    /// The peer is out of touch, or this leader is no more: what was on its way is missed.
    func forgetSent(to index: Int, _ leader: Leader) {
        leader.progress[index].silence = 0
        for version in leader.progress[index].sent.keys.sorted() {
            guard let key = leader.progress[index].sent[version]?.key else { continue }
            forgetSent(version, to: index, leader)
            leader.progress[index].missed.append(key)
        }
    }
}
