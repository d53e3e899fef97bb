// How tombstones are purged.
//
// A tombstone may be removed when every replica holds it and has promised a ballot above its own, so that no accept
// still on its way can bring back what it hides. The leader then stores a purge floor, a version: everything up to the
// floor was at every replica, whatever becomes of the leader. Trees are compared at equal floors only, and the lower
// floor is raised first.

/// When a leader next looks for tombstones to purge, and for expired records.
struct PurgeSchedule {
    private var nextPurge: Instant
    private var nextSweep: Instant
    /// The leaf of the hash tree that the next sweep looks at.
    private(set) var leaf = 0

    init(now: Instant, options: ShardOptions) {
        nextPurge = now + options.purge
        nextSweep = now + options.sweep
    }

    /// When the next purge or sweep is due.
    var next: Instant { min(nextPurge, nextSweep) }

    /// Returns true if a purge is due. The next one is then due after `interval`.
    mutating func takePurge(at now: Instant, every interval: Nanoseconds) -> Bool {
        guard now >= nextPurge else { return false }
        nextPurge = now + interval
        return true
    }

    /// Returns true if a sweep is due. The next one is then due after `interval`.
    mutating func takeSweep(at now: Instant, every interval: Nanoseconds) -> Bool {
        guard now >= nextSweep else { return false }
        nextSweep = now + interval
        return true
    }

    /// Notes that `leaf` has no more expired records. The next sweep looks at the next leaf.
    mutating func endLeaf() { leaf = (leaf + 1) % HashTree.leafCount }
}

extension Replica {
    /// Raises the purge floor. Everything up to `floor` was at every replica once, as the leader that chose the floor
    /// has found.
    ///
    /// Invariant 12: what is purged is nowhere.
    func raiseFloor(to floor: Version) {
        guard floor > context.store.purgeFloor(partition) else { return }
        context.store.setPurgeFloor(partition, floor)
        appendedState()
    }

    func receivePurge(_ header: PartitionHeader, floor: Version, from node: NodeNumber) {
        guard admits(header, from: node), obeys(header, from: node) else { return }
        raiseFloor(to: floor)
    }

    func considerPurge(_ leader: Leader) {
        sweepExpired(leader)
        guard leader.purge.takePurge(at: now, every: context.options.purge) else { return }
        guard context.store.usage(partition).tombstones > 0, leader.isSettled, !quorum.isJoint, leader.transfer == nil
        else { return }
        guard allHold(leader) else { return context.decide(.holdTombstones) }
        // All replicas have promised this leader's ballot, which is above the ballots of all records from before it.
        let floor = Version(ballot: leader.ballot, sequence: 0)
        if floor > context.store.purgeFloor(partition) {
            raiseFloor(to: floor)
            for member in quorum.members where member != context.me {
                context.send(member, .replica(header(leader.ballot), .purge(floor: floor)))
            }
        } else if !context.isDraining {
            // The tombstones that are left bear this leader's ballot. They may be purged under the next one.
            renew()
        }
    }

    /// True if every replica has been level for a while. Then everything it holds is durable, and it has promised this
    /// leader's ballot.
    private func allHold(_ leader: Leader) -> Bool {
        guard !context.breaks(.purgeWhenAllHold) else { return true }
        return quorum.members.indices.allSatisfy { index in
            if index == ownIndex { return true }
            let progress = leader.progress[index]
            guard context.isUp(quorum.members[index]), progress.isLevel, progress.isVerified,
                let since = progress.comparedSince
            else { return false }
            return now - since >= context.options.purge
        }
    }

    /// Goes on leading under a new ballot. Changes proposed in this tick are sent under the old one first, because only
    /// a change that has been sent can be re-proposed.
    private func renew() {
        flush()
        guard let unfinished = endLeadership() else { return assertionFailure("only a leader renews its ballot") }
        prepare(unfinished)
    }

    /// Proposes tombstones above expired records, some at a time, whether a request needs them or not.
    private func sweepExpired(_ leader: Leader) {
        guard leader.purge.takeSweep(at: now, every: context.options.sweep) else { return }
        guard leader.isSettled, leader.transfer == nil, majorityIsUp,
            context.store.expiringRecords(partition) > 0
        else { return }
        var expired: [Key] = []
        let wall = context.now.wall
        context.store.forEach(partition, leaf: leader.purge.leaf) { key, head, _ in
            if !head.isTombstone, head.expiry.hasPassed(at: wall) { expired.append(key) }
        }
        let isAll = expired.count <= context.options.maximumExpired
        tombstone(expired.sorted().prefix(context.options.maximumExpired), leader)
        if isAll { leader.purge.endLeaf() }
    }
}
