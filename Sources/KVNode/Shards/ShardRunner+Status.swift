import KVAPI
import KVCore

extension ShardRunner {
    /// Tells the node's status what this shard holds.
    func report() {
        var usage = PartitionUsage()
        for partition in partitions where partition != councilPartition {
            let held = store.usage(partition)
            usage.keys += held.keys
            usage.tombstones += held.tombstones
            usage.bytes += held.bytes
        }
        let counts = store.damageCounts
        status.update(
            shard: index, usage: usage, leaderless: shard.leaderlessPartitions,
            disk: DiskHealth(damaged: counts.found, repaired: counts.repaired))
    }

    struct Snapshot: Sendable {
        var leaders: [(PartitionID, NodeNumber?)]
        var usages: [NodeNumber: PartitionUsage]
    }

    func snapshot() -> Snapshot {
        loop.assertInEventLoop()
        return Snapshot(leaders: partitions.map { ($0, shard.leader(of: $0)) }, usages: usages)
    }

    /// What the council is to know of the partitions led here.
    struct Standing: Sendable {
        var sizes: [PartitionSize]
        var moves: [MoveReport]
    }

    func standing() -> Standing {
        loop.assertInEventLoop()
        return Standing(sizes: shard.ledSizes(), moves: shard.moveReports())
    }

    /// Whether this node leads a partition, and its copy is known to be the truth.
    func isSettled(_ partition: PartitionID) -> Bool {
        loop.assertInEventLoop()
        return !isStopped && shard.isSettled(partition)
    }

    /// Tells who has to know of it.
    func report(_ notice: ShardNotice) {
        switch notice {
        case .elected(let partition, let ballot, let settled):
            logger.debug(
                "leading", metadata: ["partition": "\(partition)", "ballot": "\(ballot)", "settled": "\(settled)"])
        case .settled(let partition): logger.debug("settled", metadata: ["partition": "\(partition)"])
        case .steppedDown(let partition): logger.debug("stepped down", metadata: ["partition": "\(partition)"])
        case .disk(let isStalled): report(isStalled: isStalled)
        case .repaired(let damaged):
            logger.debug("written again", metadata: ["partition": "\(damaged.partition)"])
        case .relinquished(let partition):
            logger.debug("deleted what has left", metadata: ["partition": "\(partition)"])
        case .ready: cluster?.reportSoon()
        case .behind(let epoch, let peer): cluster?.saw(epoch, at: peer)
        case .drained:
            onDrained?()
            onDrained = nil
        }
    }

    private func report(isStalled: Bool) {
        let subject = "the disk of shard \(index)"
        guard isStalled else {
            logger.notice("\(subject) answers again")
            return status.set(nil, of: subject)
        }
        let obstacle =
            "\(subject) has not finished a write for a second or more: what this node led is led by others; "
            + "look at the disk and the system's log"
        logger.warning("\(obstacle)")
        status.set(obstacle, of: subject)
    }
}
