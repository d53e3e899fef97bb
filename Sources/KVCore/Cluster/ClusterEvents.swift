/// An input of a node's cluster machine.
package enum ClusterInput: Sendable {
    /// A message from a member, or from a pending node, whose number is 0.
    case message(from: NodeNumber, ClusterMessage)
    /// A member goes by a topology of this epoch: its handshake, gossip or `outdated` said so. If the epoch is lower
    /// than this node's, the member is sent this node's topology; if it is higher, the member is asked for its own.
    case epochSeen(Epoch, at: NodeNumber)
    /// The failure detector's status changed.
    case liveness(NodeNumber, Liveness)
    /// A member runs with this data directory, as its handshake said.
    /// - Parameter takesChanges: it may be told what topologies change, instead of whole ones.
    case storeSeen(NodeNumber, UUID128, takesChanges: Bool)
    /// This node's connection to a node is up, which goes by a topology of this epoch; 0 if it has none. If that is an
    /// earlier one, the node is sent what is newer, by this node or by others.
    case linked(NodeNumber, Epoch)
    /// Whether this node leads the metadata quorum's partition and knows its copy to be the truth: to be given whenever
    /// the shard says so (`ShardNotice.leadership`).
    case leading(Bool)
    /// A report on the partitions that this node leads; to be given every `ClusterOptions.reportInterval` or so.
    case report(NodeReport)
    /// This node has prepared splits up to so many partitions; to be given as often as reports while a plan splits
    /// partitions.
    case prepared(partitions: Int)
    /// A `request` ended like this.
    case outcome(UInt64, Outcome)
    /// A `persist` is done: this epoch is on disk.
    case persisted(Epoch)
    /// An operator asks through this node; exactly one `answer` will follow.
    case control(RequestID, ControlRequest, deadline: Instant)
    /// Time has passed: to be given every `ClusterOptions.timer` or so.
    case timer
}

/// What a cluster machine asks of the code around it.
package enum ClusterEffect: Sendable {
    case send(NodeNumber, ClusterMessage)
    /// Execute a command on the topology's register, here: this node leads it. Then give `outcome`.
    case request(UInt64, Command)
    /// Put a topology on disk, then give `persisted`. At most one is under way.
    /// - Parameter changes: what makes it of the one that was put there before; nil where that is not known.
    case persist(Topology, changes: [TopologyChange]?)
    /// Go by this topology from now on. It is on disk.
    case adopt(Topology)
    case answer(RequestID, ControlReply)
    /// Something to log.
    case notice(ClusterNotice)
}

package enum ClusterNotice: Hashable, Sendable {
    case planBegan(PlanStatus)
    case planEnded(id: Epoch, reason: ChangePlan.Reason, isCancelled: Bool)
    /// A plan without a dead member begins.
    case evicting(NodeNumber)
    /// A dead member is due for eviction but cannot be evicted yet; the string says why.
    case evictionWaits(NodeNumber, String)
    /// A pending node was heard of for the first time.
    case applied(PendingNode)
    /// A member runs with another data directory than the one it is known by.
    case foreignStore(NodeNumber, UUID128)
    /// The coordinator can change nothing, as the register does not hold what it should; said once while it leads.
    case registerUnusable(String)
}
