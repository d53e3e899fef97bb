// How tombstones are purged.
//
// A tombstone may be removed when every replica holds it and has promised a ballot above its own, so that no accept
// still on its way can bring back what it hides. The leader then stores a purge floor, a version: everything up to the
// floor was at every replica, whatever becomes of the leader. Trees are compared at equal floors only, and the lower
// floor is raised first.

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
        guard now >= leader.nextPurge else { return }
        leader.nextPurge = now + context.options.purge
        guard context.store.usage(partition).tombstones > 0, !context.store.isPurging(partition), leader.isSettled,
            !quorum.isJoint, leader.transfer == nil
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
    func renew() {
        flush()
        guard let unfinished = endLeadership() else { return assertionFailure("only a leader renews its ballot") }
        prepare(unfinished)
    }
}
