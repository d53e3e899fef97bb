import DequeModule

/// How a new leader finds out where its copy and a majority's differ. It compares the leaves of the hash trees, then
/// the keys of the leaves that differ, and then recovers each key that differs.
final class Settling {
    var sent: Instant
    /// True if the copy has to be compared with majorities of both replica sets.
    let isStrict: Bool
    /// The leaves in which each replica differs from this leader, by replica.
    var differing: [Int: Set<Int>] = [:]
    /// The leaves that differ between this leader and every majority and have not been compared yet; nil until a
    /// majority has sent its leaves.
    var suspects: Deque<Int>?
    /// The leaf whose keys are being compared, and the keys that each other replica holds of it.
    var leaf: Int?
    var entries: [Int: [Key: Version]] = [:]
    /// Keys to recover.
    var keys: Deque<Key> = []
    var recovering: Set<Key> = []

    init(sent: Instant, isStrict: Bool) {
        self.sent = sent
        self.isStrict = isStrict
    }
}

extension Replica {
    func beginSettling(_ leader: Leader) {
        if mayHaveBeenReady { context.decide(.proveStrictly) }
        leader.settling = Settling(sent: now, isStrict: mayHaveBeenReady)
        sendLeavesRequests(leader)
    }

    private func sendLeavesRequests(_ leader: Leader) {
        for (index, member) in quorum.members.enumerated()
        where index != ownIndex && leader.settling?.differing[index] == nil {
            context.send(member, .replica(header(leader.ballot), .leaves(floor: context.store.purgeFloor(partition))))
        }
    }

    private func sendEntriesRequests(_ leader: Leader) {
        // No leaf is being compared while the keys of the last one are recovered.
        guard let settling = leader.settling, let leaf = settling.leaf else { return }
        for (index, member) in quorum.members.enumerated() where index != ownIndex && settling.entries[index] == nil {
            context.send(member, .replica(header(leader.ballot), .entries(leaf: UInt16(leaf))))
        }
    }

    func resendSettling(_ leader: Leader) {
        guard let settling = leader.settling else { return }
        advanceSettling(leader)
        guard leader.settling != nil, now - settling.sent >= context.options.retry else { return }
        settling.sent = now
        if settling.suspects == nil { sendLeavesRequests(leader) } else { sendEntriesRequests(leader) }
    }

    func settleWithLeaves(_ leaves: [Digest], of index: Int, _ leader: Leader) {
        guard let settling = leader.settling, settling.suspects == nil,
            let differing = context.store.tree(partition).differing(from: leaves)
        else { return }
        settling.differing[index] = Set(differing)
        let known = settling.differing
        var answered = ReplicaMask(ownIndex)
        for index in known.keys { answered.insert(index) }
        guard isReadQuorum(answered, strictly: settling.isStrict) else { return }
        let suspects = (0..<HashTree.leafCount).filter { leaf in
            var equal = ReplicaMask(ownIndex)
            for (index, leaves) in known where !leaves.contains(leaf) { equal.insert(index) }
            return !isReadQuorum(equal, strictly: settling.isStrict)
        }
        settling.suspects = Deque(suspects)
        advanceSettling(leader)
    }

    func settleWithEntries(_ entries: [KeyVersion], leaf: Int, of index: Int, _ leader: Leader) {
        guard let settling = leader.settling, settling.leaf == leaf else { return }
        var versions: [Key: Version] = [:]
        for entry in entries { versions[entry.key] = entry.version }
        settling.entries[index] = versions
        var answered = ReplicaMask(ownIndex)
        for index in settling.entries.keys { answered.insert(index) }
        guard isReadQuorum(answered, strictly: settling.isStrict) else { return }
        settling.keys.append(contentsOf: unsettledKeys(leaf: leaf, settling, leader))
        settling.leaf = nil
        settling.entries = [:]
        advanceSettling(leader)
    }

    /// The keys of a leaf whose latest record is not known to be chosen and held here.
    private func unsettledKeys(leaf: Int, _ settling: Settling, _ leader: Leader) -> [Key] {
        let others = settling.entries
        var own: [Key: Version] = [:]
        context.store.forEach(partition, leaf: leaf) { key, head, _ in own[key] = head.version }
        var keys = Set(own.keys)
        for versions in others.values { keys.formUnion(versions.keys) }
        return keys.filter { key in
            let version = own[key] ?? .zero
            // A record under this leader's ballot is in flight or chosen.
            guard version.ballot != leader.ballot else { return false }
            var holders = ReplicaMask(ownIndex)
            for (index, versions) in others {
                let other = versions[key] ?? .zero
                if other > version { return true }
                if other == version { holders.insert(index) }
            }
            return !isReadQuorum(holders, strictly: settling.isStrict)
        }.sorted()
    }

    /// Takes the next step of settling: recovers the next keys, or compares the next leaf. The partition is settled
    /// when none is left.
    func advanceSettling(_ leader: Leader) {
        guard let settling = leader.settling, settling.suspects != nil else { return }
        settling.recovering = settling.recovering.filter { leader.recoveries[$0] != nil }
        while settling.recovering.count < context.options.settleWindow,
            context.proposedBytes < context.options.maximumProposedBytes, let key = settling.keys.popFirst()
        {
            settling.recovering.insert(key)
            recover(key, for: nil, leader)
        }
        // A replica that is a majority by itself recovers a key at once, and may have settled with the last one.
        guard leader.settling === settling else { return }
        if settling.keys.isEmpty, settling.leaf == nil, let leaf = settling.suspects?.popFirst() {
            settling.leaf = leaf
            settling.sent = now
            sendEntriesRequests(leader)
            return
        }
        if settling.keys.isEmpty, settling.leaf == nil, settling.recovering.isEmpty { finishSettling(leader) }
    }

    private func finishSettling(_ leader: Leader) {
        assert(!leader.isSettled, "a leader settles once")
        // Settling may have brought the mark to light: then majorities of both sets have to be compared.
        guard mayHaveBeenReady == leader.settling?.isStrict else { return beginSettling(leader) }
        leader.settling = nil
        // Invariant 5: from now on its copy is the truth.
        leader.isSettled = true
        becomeComplete()
        watchExpiry()
        context.effects.append(.notice(.settled(partition)))
        // From now on the leader's own copy answers, so no request needs to wait for a recovery, and changes to
        // re-propose that it still holds are chosen. (A recovery that is reading from disk ends when it has been read.)
        for key in leader.recoveries.keys.sorted() where leader.recoveries[key]?.isLoading == false {
            if !leader.log.isInFlight(key), let held = context.store.head(partition, key)?.version {
                endReproposed(key, latest: held, isChosen: true, leader)
            }
            finishRecovery(key, leader)
        }
        releaseHeld()
        if quorum.isJoint { repair(leader) }
    }
}
