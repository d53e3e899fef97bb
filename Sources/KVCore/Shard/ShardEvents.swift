/// An input of a shard.
package enum ShardInput: Sendable {
    case message(from: NodeNumber, PeerMessage)
    /// A long message of a peer is arriving. Whatever else the peer says, its heartbeats too, waits behind it.
    case reading(from: NodeNumber)
    /// The store's `durable` has advanced.
    case durable
    /// A read that the shard asked for by `load` or `loadLater` is done. It is given once for each.
    case loaded(ReadTicket, LoadedValue)
    /// This node's disk has spoiled a record: fetch its value from another replica. To be given again for as long as
    /// the store names the record.
    case repair(DamagedRecord)
    /// A peer came in touch, or went out of touch (`Reachability`).
    case peer(NodeNumber, PeerCondition)
    /// This node attends to a peer from now on, or does so no more (`HeartbeatPace`).
    case attention(NodeNumber, Bool)
    /// Another shard of this node says something (`ShardEffect.siblings`).
    case sibling(SiblingMessage)
    /// From now on leaders answer linearizable reads in this way. A shard begins with `confirm`.
    case reads(ReadMode)
    /// Time has passed: to be given every `ShardOptions.timer` or so.
    case timer
    /// Transfer all leaderships and take no new ones: the node is stopping.
    case drain
    /// Go by this topology from now on, unless it is no newer than the present one. It is known to be chosen, and is on
    /// disk (invariant 10).
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
    /// Give this to the first shard of the node or, if this is the first, to all others.
    case siblings(SiblingMessage)
    /// Read a value from disk, then give `loaded`.
    case load(ReadTicket)
    /// Like `load`, where no client waits: any number of these reads are done together, away from the event loop.
    case loadLater(ReadTicket)
    /// Something to tell the node, its logs or its status page.
    case notice(ShardNotice)
}

package enum ShardNotice: Hashable, Sendable {
    case elected(PartitionID, Ballot, settled: Bool)
    case settled(PartitionID)
    case steppedDown(PartitionID)
    /// A record that the disk had spoiled is whole again.
    case repaired(DamagedRecord)
    /// A replica held another value than this leader under the same version. This leader's is proposed again.
    case conflict(PartitionID, Key, with: NodeNumber)
    /// The disk under the store has stopped to answer, or answers again.
    case disk(isStalled: Bool)
    /// This node's copy of a partition, which may have lacked records, is complete again.
    case complete(PartitionID)
    /// The next replica set of a partition that moves may become the present one.
    case ready(PartitionID)
    /// A peer wants support, and this node answers reads by confirmations alone.
    case unsupported(NodeNumber)
    /// All leaderships have been transferred, or nobody can take them: the node may stop.
    case drained
    /// A peer goes by a later topology than this node's, of this epoch at least.
    case behind(Epoch, at: NodeNumber)
    /// A partition has left this node, and the node's copy of it is deleted.
    case replicaDropped(PartitionID)
    /// This shard goes by a topology in which partitions were split; their slots now.
    case split(SlotMap)

    /// The partition whose lead this is about, and whether from now on this node leads it with a copy that is known to
    /// be the truth. Nil for other notices.
    package var leadership: (partition: PartitionID, isSettled: Bool)? {
        switch self {
        case .elected(let partition, _, let isSettled): (partition, isSettled)
        case .settled(let partition): (partition, true)
        case .steppedDown(let partition): (partition, false)
        case .repaired, .conflict, .disk, .complete, .ready, .unsupported, .drained, .behind, .replicaDropped, .split:
            nil
        }
    }
}
