/// What happens to a shard.
package enum ShardInput: Sendable {
    case message(from: NodeNumber, PeerMessage)
    /// A long message of a peer is arriving: what the peer says besides, its heartbeats, waits behind it.
    case reading(from: NodeNumber)
    /// The store's `durable` has advanced.
    case durable
    /// A read the machine asked for with `load` is done.
    case loaded(ReadTicket, LoadedValue)
    /// Fetch the value of a record that this node's disk has spoiled from another replica. The record is to be given
    /// again for as long as the store names it.
    case repair(DamagedRecord)
    /// The failure detector's opinion changed.
    case peer(NodeNumber, PeerCondition)
    /// Time has passed: to be given every `ShardOptions.timer` or so.
    case timer
    /// Hand leaderships over and take no new ones: the node is stopping.
    case drain
    /// Go by this topology from now on, unless it is no newer than the present one. It is on disk.
    case topology(Topology)
}

package enum PeerCondition: Hashable, Sendable {
    /// In touch. `boot` is the peer's boot counter: a new one means that it has forgotten whatever was not durable.
    /// `relays` says whether it passes requests on to a leader that this node cannot reach.
    case up(boot: UInt64, relays: Bool = true)
    /// Silent for too long, or its connection was reset: what was sent to it may be lost.
    case down
}

/// What a shard asks of the code around it.
package enum ShardEffect: Sendable {
    case send(NodeNumber, PeerMessage)
    /// Read a value from disk, then give `loaded`.
    case load(ReadTicket)
    /// The same for what no client waits for: any number of them together, away from the event loop.
    case loadLater(ReadTicket)
    /// A change of leadership, for logs and status pages.
    case notice(ShardNotice)
}

package enum ShardNotice: Hashable, Sendable {
    case elected(PartitionID, Ballot, settled: Bool)
    case settled(PartitionID)
    case steppedDown(PartitionID)
    /// A record that the disk had spoiled is whole again.
    case repaired(DamagedRecord)
    /// A replica held another value than this leader under one version; this leader's is proposed again.
    case conflict(PartitionID, Key, with: NodeNumber)
    /// The disk under the store has stopped to answer, or answers again.
    case disk(isStalled: Bool)
    /// A copy that may have lacked records does not any more.
    case complete(PartitionID)
    /// The next replica set of a partition that moves may become the present one.
    case ready(PartitionID)
    /// All leaderships have been handed over (or nobody can take them): the node may stop.
    case drained
    /// A peer goes by a later topology than this node's, of this epoch at least.
    case behind(Epoch, at: NodeNumber)
    /// What this node held of a partition that has left it is deleted.
    case replicaDropped(PartitionID)

    /// The partition whose lead this is about, and whether this node leads it from now on and knows its copy to be the
    /// truth. Nil for other notices.
    package var leadership: (partition: PartitionID, isSettled: Bool)? {
        switch self {
        case .elected(let partition, _, let isSettled): (partition, isSettled)
        case .settled(let partition): (partition, true)
        case .steppedDown(let partition): (partition, false)
        case .repaired, .conflict, .disk, .complete, .ready, .drained, .behind, .replicaDropped: nil
        }
    }
}
