// Invariants that a shard keeps between any two ticks, for the simulator to check.

extension Shard {
    /// The first broken invariant that is found, in words; nil where all hold. The numbers are those of
    /// docs/protocol.md. Looks at every partition.
    package var brokenInvariant: String? {
        if owned.map(\.partition) != replicas.compactMap({ $0?.partition }) {
            return "the list of replicas is not that of the partitions"
        }
        if early.bytes != early.messages.reduce(0, { $0 + $1.message.heldBytes }) {
            return "early messages are counted with \(early.bytes) bytes"
        }
        if !context.turnedAway.isEmpty { return "a request was turned away and not routed" }
        if !context.dirty.isEmpty { return "a tick has ended with something unsent" }
        for partition in partitions {
            guard let assignment = topology.assignment(of: partition) else {
                return "partition \(partition.raw) is not of the topology"
            }
            let replica = restingReplica(partition)
            let broken = replica.map { flaw(of: $0, assignment) } ?? flawWithoutReplica(of: partition, assignment)
            if let broken { return "partition \(partition.raw): \(broken)" }
        }
        return nil
    }

    /// What is wrong with this shard's list of what another node's shard leads; nil if it is right, or of another
    /// version than the other shard's own.
    package func flaw(inListOf other: Shard) -> String? {
        let own = other.leaderships
        guard let listed = context.listings.list(of: other.me, shard: own.shard), listed.version == own.version else {
            return nil
        }
        for (partition, ballot) in listed.ballots where own.ballots[partition] != ballot {
            return "it takes \(other.me) to lead \(partition) under \(ballot)"
        }
        for (partition, ballot) in own.ballots where listed.ballots[partition] == nil {
            // Another node has been elected since.
            if context.listings.highest(partition) > ballot { continue }
            return "it does not know that \(other.me) leads \(partition)"
        }
        return nil
    }

    /// Whether this shard has the present list of what another node's shard leads.
    package func hasList(of other: Shard) -> Bool {
        let own = other.leaderships
        return context.listings.list(of: other.me, shard: own.shard)?.version == own.version
    }

    private func flaw(of replica: Replica, _ assignment: Assignment) -> String? {
        let promised = store.promise(replica.partition)
        if replica.promise != promised { return "1: it has promised \(promised) and goes by \(replica.promise)" }
        if let leader = replica.leader, leader.ballot != replica.promise || leader.ballot.node != me {
            return "1: it leads under \(leader.ballot) and has promised \(replica.promise)"
        }
        if replica.changed != assignment.changed {
            return "10: it goes by configuration \(replica.changed), the topology by \(assignment.changed)"
        }
        if departed.contains(replica.partition) { return "13: it has a replica and has departed" }
        let membership = store.membership(replica.partition)
        if assignment.since(me) != membership, !context.breaks(.wipeLapsed) {
            return "13: its copy is of membership \(membership)"
        }
        return nil
    }

    private func flawWithoutReplica(of partition: PartitionID, _ assignment: Assignment) -> String? {
        if assignment.since(me) != nil { return "10: the topology names this node, which has no replica" }
        if store.membership(partition) != 0, !departed.contains(partition) {
            return "13: a copy that is not needed is kept for good"
        }
        return nil
    }
}
