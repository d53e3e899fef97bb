import KVCore

/// What messages are counted by.
package enum MessageKind: Int, CaseIterable, Sendable {
    /// Datagrams of the failure detector.
    case gossip
    /// A shard says that it runs, and that what it leads has not changed; a new leader says so to its replicas.
    case heartbeat
    /// What a shard leads: all of it, or what has changed; and requests for it.
    case leaderships
    /// What goes along with heartbeats: the machine's clock, how much the node holds.
    case news
    /// How far a store has come on disk.
    case progress
    /// Another node does not answer.
    case doubt
    /// Elections, and transfers of a lead.
    case election
    /// Records to replicas, their answers, and reads.
    case records
    /// Comparison of hash trees.
    case comparison
    /// Removal of tombstones and of copies; copies that are complete again; configurations that are outdated.
    case upkeep
    /// Topologies, what they change, and requests for them.
    case topology
    /// What nodes report to the metadata quorum.
    case report
    /// Operators' requests, and nodes that wait to be admitted.
    case membership
    /// Beginnings of connections.
    case handshake

    init(_ message: PeerMessage) {
        switch message {
        case .replica(_, let message): self = Self.kind(of: message)
        case .request, .reply: self = .records
        case .shards(.leaderHeartbeat): self = .heartbeat
        case .shards(.leaderships(_, let update)):
            self = update.base == update.version ? .heartbeat : .leaderships
        case .shards(.leadershipsWanted): self = .leaderships
        case .shards(.outdated): self = .upkeep
        case .shards(.supportWanted), .shards(.support): self = .heartbeat
        case .node(.usageReport), .node(.clock): self = .news
        case .node(.progress): self = .progress
        case .node(.doubt): self = .doubt
        case .node(.cluster(let message)): self = Self.kind(of: message)
        }
    }

    private static func kind(of message: ReplicaMessage) -> Self {
        switch message {
        case .preVote, .preVoteResult, .prepare, .prepareAfter, .promise, .reject, .transfer: .election
        case .accept, .accepted, .confirm, .confirmed, .read, .readResult: .records
        case .leaves, .leavesResult, .entries, .entriesResult: .comparison
        case .purge, .dropReplica, .replicaDropped, .abstain, .consult, .complete, .completed: .upkeep
        }
    }

    private static func kind(of message: ClusterMessage) -> Self {
        switch message {
        case .topologyWanted, .topology, .topologyChanges: .topology
        case .report, .prepared: .report
        case .announce, .control, .controlReply: .membership
        }
    }
}
