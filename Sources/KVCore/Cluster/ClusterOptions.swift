/// The times and limits of a cluster machine.
package struct ClusterOptions: Sendable {
    /// How often `timer` is to be given.
    package var timer = Nanoseconds.milliseconds(100)
    /// How often a node reports to the metadata quorum.
    package var reportInterval = Nanoseconds.milliseconds(250)
    /// How long a member must have been dead before it is evicted: `failure.evict_after`.
    package var evictAfter = Nanoseconds.milliseconds(600_000)
    /// Once a member has been dead for so long, a plan under way copies nothing more to it: others get its share.
    /// (Where `evictAfter` is shorter, that counts.)
    package var redirectAfter = Nanoseconds.milliseconds(30_000)
    /// A pending node not heard of for so long is forgotten.
    package var pendingNodeTimeout = Nanoseconds.milliseconds(5000)
    /// A request to a peer without an answer is sent again after this.
    package var retry = Nanoseconds.milliseconds(1000)
    /// The coordinator changes the topology of its own accord no more often than this. All moves that have become ready
    /// meanwhile make one change.
    package var changeInterval = Nanoseconds.milliseconds(100)
    /// Pending nodes that admit themselves, and the first members' stores, come in close succession. So the coordinator
    /// waits this long after the last of them, to make one change of all.
    package var gather = Nanoseconds.milliseconds(1000)
    /// The coordinator reads the register again where it has not heard from it for so long.
    package var reread = Nanoseconds.milliseconds(5000)
    /// How long the coordinator keeps another node's request that it has not begun to carry out.
    package var askTimeout = Nanoseconds.milliseconds(5000)
    /// The most partitions that move at a time where all of them have much to copy.
    package var maximumMoves = 64
    /// The most partitions that move at a time where they have little or nothing to copy. A move that copies nothing is
    /// over within two epochs. But all of a node's clients wait while very many of its replicas change their
    /// configuration in one turn.
    package var maximumSmallMoves = 1024
    /// The most partitions that are split in one change. Each changes the configuration of two.
    package var maximumSplits = 64
    /// The most bytes to be copied by the moves that are under way. (`burden` says how each counts.)
    package var maximumMovingBytes = 64 << 20
    /// The most bytes a second that a node sends to joining nodes: `limits.move_rate`; 0 is no limit.
    package var moveRate = 0
    /// The most pending nodes that are remembered.
    package var maximumPendingNodes = 64
    /// The most operators' requests that wait here for their answers.
    package var maximumControls = 256
    /// The most removed members that are remembered. The oldest are forgotten first.
    package var maximumRemoved = 4096
    /// The most nodes that are remembered to go by a later topology than this one.
    package var maximumHolders = 64
    /// The most changes that are kept for nodes that have missed some.
    package var maximumChanges = 64
    /// The most partitions and members that these changes concern together. Beyond that the whole is not much longer.
    package var maximumChangedPartitions = 16384
    /// The rules that tests switch off.
    package var broken: BrokenRules = []

    package init() {}

    /// What a move counts against `maximumMovingBytes`: what it copies, but at least and at most as much as limits the
    /// moves to their numbers. So a partition of any size can move, and empty ones are many.
    /// - Parameter bytes: what is to be copied; nil where that is not known yet, and may be much.
    func burden(_ bytes: UInt64?) -> Int {
        let most = maximumMovingBytes / max(maximumMoves, 1)
        let least = maximumMovingBytes / max(maximumMoves, maximumSmallMoves, 1)
        guard let bytes else { return most }
        return min(max(Int(clamping: bytes), least), most)
    }

    /// The most partitions that one node sends at a time. Where a rate holds moves back, it is what the node sends in
    /// two seconds, but enough that the next partition is settled by the time one ends. More would only mean that more
    /// partitions need two majorities for longer.
    func maximumSends(_ plan: ChangePlan?) -> Int {
        let most = max(maximumMoves, maximumSmallMoves)
        guard moveRate > 0, let plan, plan.moves > 0 else { return most }
        let bytes = plan.bytes / UInt64(plan.moves)
        guard bytes > 0 else { return most }
        let inASecond = min(UInt64(moveRate) / bytes, UInt64(most))
        return min(max(Int(inASecond) * 2, 4), most)
    }

    /// How often the coordinator looks for something to change. Every node has to adopt every change in the midst of
    /// clients' requests, so there are fewer changes where a rate holds moves back.
    func interval(_ plan: ChangePlan?) -> Nanoseconds {
        guard maximumSends(plan) < maximumMoves else { return changeInterval }
        return Nanoseconds(nanoseconds: changeInterval.nanoseconds * 4)
    }
}
