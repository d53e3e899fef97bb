// The lengths of a shard's queues, which the simulator compares with their limits (docs/architecture.md has the table).

/// A queue of a shard, or of one of its peers or partitions.
package enum ShardQueue: Int, CaseIterable, Sendable {
    /// Requests of clients.
    case requests
    /// Bytes that leaders have proposed.
    case proposed
    /// Bytes of changes on their way to one peer, and of records sent to it again.
    case window, repairing
    /// Keys that one peer has missed of one partition, and records of it that are on their way there.
    case missed, repairWindow
    /// Comparisons of trees with one peer, leaderships being handed over, keys being recovered to settle.
    case comparisons, transfers, settling
    /// Answers to peers that wait for the disk.
    case deferred
    /// Messages of configurations not heard of yet, and their bytes.
    case early, earlyBytes
    /// Records being asked of other replicas.
    case repairs
}

package struct QueueLevel: Hashable, Sendable {
    package var queue: ShardQueue
    package var level: Int
    /// The limit that the options set. One more item may be let in where there was room for a part of it.
    package var limit: Int
}

extension Shard {
    /// How full each queue is; among the queues of a kind that each peer or partition has, the fullest. Looks at
    /// everything.
    package var queueLevels: [QueueLevel] {
        let options = context.options
        let leaders = owned.compactMap(\.leader)
        let progress = leaders.flatMap(\.progress)
        func level(_ queue: ShardQueue, _ level: Int?, _ limit: Int) -> QueueLevel {
            QueueLevel(queue: queue, level: level ?? 0, limit: limit)
        }
        return [
            level(.requests, context.underWay, options.maximumRequests),
            level(.proposed, context.proposedBytes, options.maximumProposedBytes),
            level(.window, topology.members.map { context.window($0.number).bytes }.max(), options.peerWindow),
            level(
                .repairing,
                topology.members.map(\.number)
                    .map { context.repairing[$0, default: 0] + context.repairLoads[$0, default: 0] }.max(),
                options.repairBytes),
            level(.missed, progress.map(\.missedKeys).max(), options.maximumMissed),
            level(.repairWindow, progress.map(\.recordsUnderway).max(), options.repairWindow),
            level(.comparisons, context.comparisons.values.max(), options.maximumComparisons),
            level(.transfers, context.transfers, options.maximumTransfers),
            level(.settling, leaders.compactMap { $0.settling?.recovering.count }.max(), options.settleWindow),
            level(.deferred, context.deferredAnswers, options.maximumDeferred),
            level(.early, early.messages.count, options.maximumEarly),
            level(.earlyBytes, early.bytes, options.maximumEarlyBytes),
            level(.repairs, repairs.count, options.maximumRepairs),
        ]
    }
}
