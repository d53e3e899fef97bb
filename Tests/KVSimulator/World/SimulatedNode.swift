import KVCore

/// A machine of the simulated cluster: a disk that outlives its processes, clocks, and the process, while one runs.
final class SimulatedNode<Driver: StoreDriver> {
    let index: Int
    /// As a member; 0 before the node is one.
    var number: NodeNumber
    let driver: Driver
    /// Names its data directory.
    let storeID: UUID128
    /// It runs and waits to be admitted.
    var isPending = false
    /// It has died for good, or has left: it will not start again.
    var isGone = false
    /// Counts the processes.
    var boot: UInt64 = 0
    var process: SimulatedProcess<Driver.Store>?
    /// How many faults hold it up, slow its disk, or fill it.
    var pauses = 0
    var slowness = 0
    /// Nothing becomes durable.
    var stalls = 0
    var fullness = 0
    /// When it last ran again after a pause.
    var resumed: UInt64 = 0
    var clock: NodeClock
    /// It has lost power without having synced, and not all of its copies have been repaired since: noted on its disk.
    var mayLackRecords = false
    /// On its disk; nil before the node is admitted.
    var topology: Topology?

    init(index: Int, driver: Driver, clock: NodeClock) {
        self.index = index
        number = NodeNumber(0)
        storeID = UUID128(high: 7, low: UInt64(index + 1))
        self.driver = driver
        self.clock = clock
    }
}

/// How a node's clocks read at a time of the run.
struct NodeClock {
    /// What the monotonic clock read at time 0.
    var origin: UInt64
    /// Millionths by which it is fast.
    var rate: Int64
    /// Milliseconds since 1970 at time 0, had nobody set it since; and millionths by which it is fast.
    var wall: UInt64
    var drift: Int64 = 0

    /// By the machine's clocks. What a process goes by is made of these: see `SimulatedProcess.now`.
    func now(_ time: UInt64) -> Now {
        let drifted = Int64(time / 1_000_000) * drift / 1_000_000
        return Now(monotonic: monotonic(time), wall: wall + time / 1_000_000 &+ UInt64(bitPattern: drifted))
    }

    func monotonic(_ time: UInt64) -> Instant {
        Instant(nanoseconds: origin &+ time &+ UInt64(bitPattern: Int64(time) / 1_000_000 * rate))
    }
}

/// Who has asked something of a node.
final class Asker {
    enum Kind {
        case client
        /// The node's own machine for membership, under its number for it.
        case cluster(UInt64)
    }

    let kind: Kind

    init(_ kind: Kind) { self.kind = kind }
}

/// One life of a node.
final class SimulatedProcess<Store: RecordStore> {
    enum Item {
        case input(ShardInput)
        case request(KVCore.Request)
        /// A sign of life of a peer, for the failure detector.
        case ping(from: Int, boot: UInt64, epoch: Epoch, wall: UInt64)
        /// The failure detector is made to suspect a peer, and not to hear it until then.
        case suspicion(Int, until: UInt64)
        case cluster(ClusterInput)
        case gossip(from: Int, GossipMessage)
    }

    let boot: UInt64
    let store: WatchedStore<Store>
    /// What it goes by; one on its way to the disk; and the newest that waits for that.
    var topology: Topology
    var persisting: Topology?
    var wanted: Topology?
    /// When it last asked for a later one.
    var lastPull: UInt64 = 0
    let shard: Shard
    /// The time that it goes by.
    var wall: WallClock
    /// Where the world does not decide itself what moves.
    var cluster: ClusterMachine?
    /// Requests of the cluster machine that the shard works on, and of operators that the machine works on.
    var controls: [RequestID: ControlCall] = [:]
    /// What the shard has said of its lead of the metadata quorum, which the cluster machine is yet to be told.
    var metadataNews: [Bool] = []
    /// It has learned that it is no member any more.
    var isLeaving = false
    /// What has reached the process since its last tick.
    var inbox: [Item] = []
    var tickIsScheduled = false
    var detector: Detector
    /// In the place of `detector`, in some runs.
    var watch: SwimWatch?
    /// By machine, the process that was last greeted.
    var greeted: [Int: UInt64] = [:]
    /// By machine, the process that was last heard of.
    var known: [Int: UInt64] = [:]
    var timers = 0
    var lastRequest: UInt64 = 0
    /// The positions announced as durable and as synced.
    var announced: (durable: LogPosition, synced: LogPosition) = (0, 0)
    /// Partitions it leads by its own account, and whether they are settled.
    var leaderships: [PartitionID: Bool] = [:]
    /// Told to hand its leaderships over, and done with it.
    var isDraining = false
    var isDrained = false

    init(
        boot: UInt64, store: WatchedStore<Store>, topology: Topology, shard: Shard, wall: WallClock, detector: Detector
    ) {
        self.boot = boot
        self.store = store
        self.topology = topology
        self.shard = shard
        self.wall = wall
        self.detector = detector
    }
}

/// What an operator asked through a node.
struct ControlCall {
    let request: ControlRequest
    let span: Nanoseconds
    let invoked: UInt64
}
