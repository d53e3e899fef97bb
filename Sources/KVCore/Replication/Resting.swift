// How replicas rest. Most replicas of a node have nothing to do most of the time: they follow a leader that is heard,
// or lead and every other replica is level. The timers of such replicas are not called, so that an idle node's work
// does not grow with its partitions.
//
// A replica rests until a time that it names, or until something happens to it: a message, a request, a value read from
// disk, a peer that comes or goes. So the timer of a replica at rest must have nothing to do at all. The simulator's
// runs are the same with and without rests.

/// The time until which each replica of a shard rests, by its place in the shard.
struct ReplicaRests {
    /// How many timers it takes to visit every replica: each is visited a few times within `ShardOptions.retry`.
    static var rounds: Int { 4 }

    /// The end of each replica's rest; zero while it does not rest.
    private var until: ContiguousArray<Instant> = []
    /// When the replicas of each round were last visited.
    private var visits: [Instant] = Array(repeating: Instant(nanoseconds: 0), count: rounds)

    /// Begins anew with other replicas, of which none rests.
    mutating func restart(_ replicas: [Replica]) {
        until = ContiguousArray(repeating: Instant(nanoseconds: 0), count: replicas.count)
        for (place, replica) in replicas.enumerated() { replica.place = place }
    }

    /// The replicas of a round that do not rest, or whose rest is over.
    func due(round: Int, at now: Instant) -> [Int] {
        until.withUnsafeBufferPointer { until in
            stride(from: round % Self.rounds, to: until.count, by: Self.rounds).filter { until[$0] <= now }
        }
    }

    mutating func begin(_ place: Int, until time: Instant?) { until[place] = time ?? Instant(nanoseconds: 0) }

    mutating func visited(round: Int, at now: Instant) { visits[round % Self.rounds] = now }

    /// Ends a rest.
    ///
    /// - Returns: When the replica would have been visited last; nil if it does not rest.
    mutating func end(_ place: Int) -> Instant? {
        guard until.indices.contains(place), until[place] != Instant(nanoseconds: 0) else { return nil }
        until[place] = Instant(nanoseconds: 0)
        return visits[place % Self.rounds]
    }
}

extension Replica {
    /// Ends the replica's rest, because something happens to it. Its timer is called from now on.
    func wake() {
        guard !context.breaks(.wake), let visited = context.rests.end(place) else { return }
        // It was in touch with a majority as long as it rested, and took no note of heartbeats.
        leader?.majoritySeen = visited
        hearListed(until: visited)
    }

    /// The time until which its timer does nothing if nothing happens to it; nil if the timer has something to do.
    var restsUntil: Instant? {
        guard !context.breaks(.rest), candidate == nil, !context.isDraining, !context.disk.isStalled else { return nil }
        return leader.map(restsUntil) ?? followerRestsUntil
    }

    private func restsUntil(_ leader: Leader) -> Instant? {
        guard leader.isSettled, leader.isAtRest, leader.held.isEmpty, leader.log.proposals.isEmpty,
            leader.transfer == nil, !quorum.isJoint, !isFull, majorityIsUp, isPreferredOfThoseUp,
            context.listings[partition] == nil
        else { return nil }
        var until = leader.nextPurge
        for (index, member) in quorum.members.enumerated() where index != ownIndex {
            guard let next = leader.progress[index].restsUntil(isUp: context.isUp(member), context.options) else {
                return nil
            }
            until = min(until, next)
        }
        return until
    }

    /// True if no replica that it would transfer the lead to is in touch.
    private var isPreferredOfThoseUp: Bool {
        quorum.preference.first { context.isUp(quorum.members[$0]) } == ownIndex
    }
}
