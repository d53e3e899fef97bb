/// Times and limits of a cluster machine, all named here.
package struct ClusterOptions: Sendable {
    /// How often `timer` is to be given.
    package var timer = Nanoseconds.milliseconds(100)
    /// How often a node reports to the metadata quorum.
    package var reportInterval = Nanoseconds.milliseconds(250)
    /// How long a member must have been dead before it is evicted: `failure.evict_after`.
    package var evictAfter = Nanoseconds.milliseconds(600_000)
    /// Once a member has been dead for so long, a plan under way copies nothing more to it: what it was to get goes to
    /// others. (Where `evictAfter` is shorter, that counts.)
    package var redirectAfter = Nanoseconds.milliseconds(30_000)
    /// A pending node not heard of for so long is forgotten.
    package var pendingNodeTimeout = Nanoseconds.milliseconds(5000)
    /// A request to a peer without an answer is sent again after this.
    package var retry = Nanoseconds.milliseconds(1000)
    /// The topology is not changed more often than this on the coordinator's own account: what has become ready
    /// meanwhile makes one change.
    package var changeInterval = Nanoseconds.milliseconds(100)
    /// What comes in close succession is waited for this long after the last of it, to make one change: pending nodes
    /// that admit themselves, and the first members' stores.
    package var gather = Nanoseconds.milliseconds(1000)
    /// The coordinator reads the register again where it has not heard from it for so long.
    package var reread = Nanoseconds.milliseconds(5000)
    /// How long the coordinator keeps another node's request that it has not begun to carry out.
    package var askTimeout = Nanoseconds.milliseconds(5000)
    /// Partitions that move at a time.
    package var maximumMoves = 64
    /// Bytes a second that a node sends to joining nodes at most: `limits.move_rate`; 0 is no limit.
    package var moveRate = 0
    /// Pending nodes remembered at a time.
    package var maximumPendingNodes = 64
    /// Operators' requests that wait here for their answers.
    package var maximumControls = 256
    /// Members that were removed are remembered so many at a time; the oldest are forgotten first.
    package var maximumRemoved = 4096
    /// Nodes remembered to go by a later topology than this one.
    package var maximumHolders = 64

    package init() {}

    /// Partitions that one node sends at a time: where a rate holds them back, what it sends in two seconds, but enough
    /// that the next is settled by the time one ends. More would only mean that more partitions need two majorities for
    /// longer.
    func maximumSends(_ plan: ChangePlan?) -> Int {
        guard moveRate > 0, let plan, plan.moves > 0 else { return maximumMoves }
        let bytes = plan.bytes / UInt64(plan.moves)
        guard bytes > 0 else { return maximumMoves }
        let inASecond = min(UInt64(moveRate) / bytes, UInt64(max(maximumMoves, 0)))
        return min(max(Int(inASecond) * 2, 4), maximumMoves)
    }

    /// How often the coordinator looks for what to change. Every change is gone by at every node, in the midst of
    /// clients' requests: where a rate holds moves back, fewer do.
    func interval(_ plan: ChangePlan?) -> Nanoseconds {
        guard maximumSends(plan) < maximumMoves else { return changeInterval }
        return Nanoseconds(nanoseconds: changeInterval.nanoseconds * 4)
    }
}
