import KVCore

/// A machine of the simulated cluster: its disk, which outlives processes and has a store for each of the node's
/// shards, its clocks, and its process while one runs.
final class SimulatedNode<Driver: StoreDriver> {
    let index: Int
    /// The node's number as a member; 0 before it is one.
    var number: NodeNumber
    let driver: Driver
    /// Names the node's data directory.
    let storeID: UUID128
    /// The node runs and waits to be admitted.
    var isPending = false
    /// The node has died for good, or has left. It does not start again.
    var isGone = false
    /// The number of processes that have run.
    var boot: UInt64 = 0
    var process: SimulatedProcess<Driver.Store>?
    /// The number of faults that pause the process.
    var pauses = 0
    /// The number of faults that slow the disk down.
    var slowness = 0
    /// The number of faults that keep appends from becoming durable.
    var stalls = 0
    /// The number of faults that fill the disk.
    var fullness = 0
    /// When the process last ran again after a pause.
    var resumed: UInt64 = 0
    var clock: NodeClock
    /// The machine has lost power before it had synced, and not all of its copies have been repaired since. This is
    /// noted on its disk.
    var mayLackRecords = false
    /// How the node answers reads.
    var reads = ReadMode.confirm
    /// The topology on the disk. Nil before the node is admitted.
    var topology: Topology?
    /// The latest epoch that a process of the node has acted on.
    var acted: Epoch = 0

    init(index: Int, driver: Driver, clock: NodeClock, reads: ReadMode) {
        self.index = index
        self.reads = reads
        number = NodeNumber(0)
        storeID = UUID128(high: 7, low: UInt64(index + 1))
        self.driver = driver
        self.clock = clock
    }
}

/// The clocks of a machine, as functions of the time of the run.
struct NodeClock {
    /// Nanoseconds of the monotonic clock at time 0.
    var origin: UInt64
    /// Millionths by which the monotonic clock is fast.
    var rate: Int64
    /// Milliseconds of the wall clock since 1970 at time 0, computed back from its present setting.
    var wall: UInt64
    /// Millionths by which the wall clock is fast.
    var drift: Int64 = 0

    /// The time by the machine's clocks. A process goes by its `WallClock`, which is adjusted by them.
    func now(_ time: UInt64) -> Now {
        let drifted = Int64(time / 1_000_000) * drift / 1_000_000
        return Now(monotonic: monotonic(time), wall: wall + time / 1_000_000 &+ UInt64(bitPattern: drifted))
    }

    func monotonic(_ time: UInt64) -> Instant {
        Instant(nanoseconds: origin &+ time &+ UInt64(bitPattern: Int64(time) / 1_000_000 * rate))
    }
}

/// The caller of a request (`Request.caller`).
final class RequestCaller {
    enum Kind {
        case client
        /// The node's own cluster machine, and its number for the request.
        case cluster(UInt64)
    }

    let kind: Kind

    init(_ kind: Kind) { self.kind = kind }
}

/// A process of a node: its shards, each on an event loop of its own, and what they share.
final class SimulatedProcess<Store: RecordStore> {
    let boot: UInt64
    let runners: [SimulatedRunner<Store>]
    /// Which of them has which partition.
    let map: ShardMap
    /// The topology that the node acts on: the first shard's.
    var topology: Topology
    /// A later topology that is being written to the disk.
    var persisting: Topology?
    /// What makes it of the topology on the disk, where only that is being written.
    var changes: [TopologyChange]?
    /// The newest topology that waits until the disk is free.
    var wanted: Topology?
    /// When the process last asked for a later topology.
    var lastPull: UInt64 = 0
    /// The time of day of the process.
    var wall: WallClock
    /// The cluster machine. Nil if the world decides what moves.
    var cluster: ClusterMachine?
    /// Requests of operators that the cluster machine works on.
    var controls: [RequestID: ControlCall] = [:]
    /// Notices of the shard that has the metadata partition, about its lead of it, that the cluster machine has not
    /// been given yet: true if the shard leads and has settled, otherwise false.
    var metadataNews: [Bool] = []
    /// The process has learned that its node is not a member any more.
    var isLeaving = false
    /// It is to be cut off when it has next asked a successor to prepare.
    var isCutOffAfterTransfer = false
    /// The product's failure detector, in some runs.
    var watch: SwimWatch?
    /// By machine, the boot counter of the process whose store the cluster machine was last told.
    var greeted: [Int: UInt64] = [:]
    /// By machine, the highest boot counter of a process that has shaken hands with this one.
    var known: [Int: UInt64] = [:]
    /// The number of the last request.
    var lastRequest: UInt64 = 0
    /// The shards have been told to transfer their leaderships.
    var isDraining = false

    init(boot: UInt64, runners: [SimulatedRunner<Store>], map: ShardMap, topology: Topology, wall: WallClock) {
        self.boot = boot
        self.runners = runners
        self.map = map
        self.topology = topology
        self.wall = wall
    }

    /// The one that also runs what the node has only once.
    var first: SimulatedRunner<Store> { runners[0] }

    /// The one that has a partition.
    subscript(partition: PartitionID) -> SimulatedRunner<Store> { runners[map.shard(of: partition)] }

    /// Whether the process leads a partition by its own account: true if it has settled, nil if it does not lead.
    func leadership(of partition: PartitionID) -> Bool? { self[partition].leaderships[partition] }

    /// The process leads something.
    var leads: Bool { runners.contains { !$0.leaderships.isEmpty } }

    /// The shards have transferred their leaderships.
    var isDrained: Bool { runners.allSatisfy(\.isDrained) }

    /// The requests of clients that have not been answered.
    var pendingRequests: Int { runners.reduce(0) { $0 + $1.shard.pendingRequests } }
}

/// An operator's request at a node.
struct ControlCall {
    let request: ControlRequest
    let timeout: Nanoseconds
    let invoked: UInt64
}
