import KVCore

/// What a process says of itself to each other one, often.
struct Ping {
    let boot: UInt64
    let epoch: Epoch
    let wall: UInt64
    /// The sender takes connections of the receiver: it knows that the receiver is a member.
    let accepts: Bool
}

/// What runs of a node's process on one event loop: a shard, its store, and what it knows of the links that it has to
/// every other node (`ShardRunner` in the product). The first one also runs what the node has only once.
final class SimulatedRunner<Store: RecordStore> {
    /// An item of the inbox.
    enum Item {
        case input(ShardInput)
        case request(KVCore.Request)
        /// A heartbeat or handshake of a peer.
        case ping(from: Int, Ping)
        /// Makes the failure detector suspect a peer, and not hear it until a time.
        case suspicion(Int, until: UInt64)
        /// The node's failure detector has another opinion of a peer.
        case liveness(NodeNumber, Liveness)
        /// Another node, or another shard of this one, waits for a peer.
        case doubt(NodeNumber)

        // For the first one only.
        case cluster(ClusterInput)
        case gossip(from: Int, GossipMessage)
    }

    /// The number of the shard among those of the node.
    let index: Int
    let store: WatchedStore<Store>
    let shard: Shard
    /// The ticks so far.
    var ticks: UInt64 = 0
    /// The topology that the shard was given last.
    var topology: Topology
    /// The items that have arrived since the last tick.
    var inbox: [Item] = []
    var tickIsScheduled = false
    /// The number of faults that hold up this event loop, and not the others of the process.
    var pauses = 0
    /// The event loop has stopped in the middle of a tick.
    var isFrozen = false
    /// It is to stop in its next tick, for so long.
    var freeze: UInt64?
    /// The number of timers so far.
    var timers = 0
    var detector: Detector
    /// With the product's failure detector (`SwimWatch`), this takes the place of `detector`.
    var links: LinkWatch?
    /// By machine, the highest boot counter that was heard of.
    var known: [Int: UInt64] = [:]
    /// The positions that the shard has been told are durable and synced.
    var announced: (durable: LogPosition, synced: LogPosition) = (0, 0)
    /// Which partition has which slots, by the shard's account.
    var slots: SlotMap
    /// The partitions that the shard leads by its own account, and whether they are settled.
    var leaderships: [PartitionID: Bool] = [:]
    /// What the shard has told the first one last.
    var lastBeat: SiblingMessage?
    /// The shard has transferred its leaderships.
    var isDrained = false

    init(index: Int, store: WatchedStore<Store>, topology: Topology, shard: Shard, detector: Detector) {
        self.index = index
        self.store = store
        self.topology = topology
        slots = topology.slots
        self.shard = shard
        self.detector = detector
    }

    var isFirst: Bool { index == 0 }
}
