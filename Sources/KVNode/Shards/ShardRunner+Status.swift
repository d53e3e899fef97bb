import KVAPI
import KVCore

extension ShardRunner {
    /// Updates the node's status with what this shard holds.
    func report() {
        let counts = store.damageCounts
        status.update(
            shard: index, usage: shard.usage, leaderless: shard.leaderlessPartitions,
            disk: DiskHealth(damaged: counts.found, repaired: counts.repaired))
    }

    struct Snapshot: Sendable {
        var leaders: [(PartitionID, NodeNumber?)]
        var usages: [NodeNumber: PartitionUsage]
    }

    func snapshot() -> Snapshot {
        loop.assertInEventLoop()
        return Snapshot(leaders: shard.partitions.map { ($0, shard.leader(of: $0)) }, usages: usages)
    }

    /// The part of a report to the metadata quorum about the partitions that this shard leads.
    struct PartitionReport: Sendable {
        var sizes: [PartitionSize]
        var moves: [MoveReport]
        /// Up to how many partitions splits are prepared.
        var prepared: Int
    }

    /// - Parameter again: How many sizes to report again although they have not changed.
    func partitionReport(again: Int) -> PartitionReport {
        loop.assertInEventLoop()
        return PartitionReport(
            sizes: shard.takeSizes(again: again), moves: shard.moveReports(), prepared: shard.preparedPartitions)
    }

    /// Passes a notice of the machine to whom it concerns.
    func report(_ notice: ShardNotice) {
        if let (partition, isSettled) = notice.leadership, partition == metadataPartition { cluster?.lead(isSettled) }
        switch notice {
        case .elected(let partition, let ballot, let settled):
            logger.debug(
                "leading", metadata: ["partition": "\(partition)", "ballot": "\(ballot)", "settled": "\(settled)"])
        case .settled(let partition): logger.debug("settled", metadata: ["partition": "\(partition)"])
        case .steppedDown(let partition): logger.debug("stepped down", metadata: ["partition": "\(partition)"])
        case .disk(let isStalled): report(isStalled: isStalled)
        case .repaired(let damaged):
            logger.debug("written again", metadata: ["partition": "\(damaged.partition)"])
        case .conflict(let partition, let key, let peer): reportConflict(partition, key, with: peer)
        case .replicaDropped(let partition):
            logger.debug("deleted what has left", metadata: ["partition": "\(partition)"])
        case .complete(let partition):
            logger.debug("complete again", metadata: ["partition": "\(partition)"])
            considerComplete()
        case .ready: cluster?.reportSoon()
        case .split(let slots): status.set(slots, of: index)
        case .behind(let epoch, let peer): cluster?.saw(epoch, at: peer)
        case .unsupported(let peer): reportReads(of: peer)
        case .drained:
            onDrained?()
            onDrained = nil
        }
    }

    private func reportReads(of peer: NodeNumber) {
        cluster?.parts.reasons.say(
            """
            cluster.reads is confirm on this node and lease on \(name(of: peer)): reads there are answered without this \
            node's promise, where the others' are enough, and otherwise as with confirm; give all nodes the same
            """, of: "cluster.reads of \(peer)")
    }

    private func reportConflict(_ partition: PartitionID, _ key: Key, with peer: NodeNumber) {
        conflicts.count += 1
        let now = Clock.monotonic
        guard conflicts.told.map({ now - $0 >= Self.conflictInterval }) ?? true else { return }
        conflicts.told = now
        logger.error(
            """
            this node and \(name(of: peer)) held different values under one version (found \(conflicts.count) times \
            since the start): one of them has forgotten what it had promised, as does a data directory that is put \
            back to an older copy; this node's value is kept, and the other may have been acknowledged
            """,
            metadata: [
                "partition": "\(partition)", "key": "\(printable(String(decoding: key.bytes, as: UTF8.self)))",
            ])
    }

    /// The interval between log lines about conflicts: thousands may be found at once.
    private static let conflictInterval = Nanoseconds.milliseconds(1000)

    /// Transfers leaderships. `completion` runs on the loop when nothing is left that another node could lead.
    func drain(_ completion: @escaping @Sendable () -> Void) {
        loop.execute { [self] in
            onDrained = completion
            handle(.drain)
        }
    }

    /// Reports when no copy of this shard lacks anything any more, so that the next start need not repair them.
    func considerComplete() {
        let incomplete = shard.incompletePartitions
        status.setIncomplete(incomplete, of: index)
        guard incomplete == 0 else { return }
        onComplete?()
        onComplete = nil
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
