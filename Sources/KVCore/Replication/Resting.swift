// Most replicas of a node have nothing to do most of the time: they follow a leader that is heard, or lead and have all
// that they know of at every replica. Their timers are not called, so that an idle node's work does not grow with its
// partitions.
//
// A replica rests until a time that it names, or until something happens to it: a message, a request, a value read from
// disk, a peer that comes or goes. What it does in a timer at rest must therefore be nothing at all; the simulator's
// runs are the same with and without rests.

/// Until when each replica of a shard rests, by its place in the shard.
struct ReplicaRests {
    /// How many timers it takes to visit every replica: each is visited a few times within `ShardOptions.retry`.
    static var rounds: Int { 4 }

    /// Zero while it does not rest.
    private var until: ContiguousArray<Instant> = []
    /// When the replicas of each round were last visited.
    private var visits: [Instant] = Array(repeating: Instant(nanoseconds: 0), count: rounds)

    /// The shard has other replicas: none rests.
    mutating func restart(_ replicas: [Replica]) {
        until = ContiguousArray(repeating: Instant(nanoseconds: 0), count: replicas.count)
        for (place, replica) in replicas.enumerated() { replica.place = place }
    }

    func isOver(_ place: Int, at now: Instant) -> Bool { until[place] <= now }

    mutating func begin(_ place: Int, until time: Instant?) { until[place] = time ?? Instant(nanoseconds: 0) }

    mutating func visited(round: Int, at now: Instant) { visits[round % Self.rounds] = now }

    /// Ends a rest.
    ///
    /// - Returns: when the replica would have been visited last; nil where it does not rest.
    mutating func end(_ place: Int) -> Instant? {
        guard until.indices.contains(place), until[place] != Instant(nanoseconds: 0) else { return nil }
        until[place] = Instant(nanoseconds: 0)
        return visits[place % Self.rounds]
    }
}

extension Replica {
    /// Something happens to it: its timer is called from now on.
    func wake() {
        guard !context.breaks(.wake), let visited = context.rests.end(place) else { return }
        // It was in touch with a majority as long as it rested.
        leader?.majoritySeen = visited
    }

    /// Until when its timer would do nothing, if nothing happens to it; nil where it has something to do.
    var restsUntil: Instant? {
        guard !context.breaks(.rest), candidate == nil, !context.isDraining, !context.disk.isStalled else { return nil }
        return leader.map(restsUntil) ?? followerRestsUntil
    }

    private func restsUntil(_ leader: Leader) -> Instant? {
        guard leader.isSettled, leader.isAtRest, leader.held.isEmpty, leader.log.proposals.isEmpty,
            leader.transfer == nil, !quorum.isJoint, !isFull, majorityIsUp, isPreferredOfThoseUp
        else { return nil }
        var until = leader.purge.next
        for (index, member) in quorum.members.enumerated() where index != ownIndex {
            guard let next = leader.progress[index].restsUntil(isUp: context.isUp(member), context.options) else {
                return nil
            }
            until = min(until, next)
        }
        return until
    }

    /// Nobody whom it would transfer its leadership to is in touch.
    private var isPreferredOfThoseUp: Bool {
        quorum.preference.first { context.isUp(quorum.members[$0]) } == ownIndex
    }
}
