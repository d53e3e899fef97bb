import KVCore

/// A machine of the simulated cluster: a disk that outlives its processes, clocks, and the process, while one runs.
final class SimulatedNode<Driver: StoreDriver> {
    let index: Int
    let number: NodeNumber
    let driver: Driver
    /// Counts the processes.
    var boot: UInt64 = 0
    var process: SimulatedProcess<Driver.Store>?
    /// How many faults hold it up, slow its disk, or fill it.
    var pauses = 0
    var slowness = 0
    var fullness = 0
    /// When it last ran again after a pause.
    var resumed: UInt64 = 0
    var clock: NodeClock
    /// On its disk; nil before the node is admitted.
    var topology: Topology?

    init(index: Int, driver: Driver, clock: NodeClock) {
        self.index = index
        number = NodeNumber(UInt16(index + 1))
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
    /// Milliseconds since 1970 at time 0.
    var wall: UInt64

    func now(_ time: UInt64) -> Now { Now(monotonic: monotonic(time), wall: wall + time / 1_000_000) }

    func monotonic(_ time: UInt64) -> Instant {
        Instant(nanoseconds: origin &+ time &+ UInt64(bitPattern: Int64(time) / 1_000_000 * rate))
    }
}

/// One life of a node.
final class SimulatedProcess<Store: RecordStore> {
    enum Item {
        case input(ShardInput)
        /// A sign of life of a peer, for the failure detector.
        case ping(from: Int, boot: UInt64, epoch: Epoch)
        /// The failure detector is made to suspect a peer, and not to hear it until then.
        case suspicion(Int, until: UInt64)
    }

    let boot: UInt64
    let store: WatchedStore<Store>
    /// What it goes by; one on its way to the disk; and the newest that waits for that.
    var topology: Topology
    var persisting: Topology?
    var wanted: Topology?
    /// When it last asked for a later one.
    var lastPull: UInt64 = 0
    var shard: Shard
    /// What has reached the process since its last tick.
    var inbox: [Item] = []
    var tickIsScheduled = false
    var detector: Detector
    var timers = 0
    var lastRequest: UInt64 = 0
    /// The position announced as durable.
    var announced: LogPosition = 0
    /// Partitions it leads by its own account, and whether they are settled.
    var leaderships: [PartitionID: Bool] = [:]
    /// Told to hand its leaderships over, and done with it.
    var isDraining = false
    var isDrained = false

    init(boot: UInt64, store: WatchedStore<Store>, topology: Topology, shard: Shard, detector: Detector) {
        self.boot = boot
        self.store = store
        self.topology = topology
        self.shard = shard
        self.detector = detector
    }
}

/// A failure detector that knows no more than the pings it has heard: late, and at times wrong.
struct Detector {
    static let pingInterval = 10
    static let patience: UInt64 = 350_000_000

    private struct Peer {
        var boot: UInt64 = 0
        var heard: UInt64 = 0
        var isUp = false
        /// A false suspicion lasts at least until then.
        var deafUntil: UInt64 = 0
    }

    private var peers: [Peer]

    init(count: Int) { peers = Array(repeating: Peer(), count: count) }

    /// Whether the opinion of the peer changes to "up".
    mutating func heard(_ peer: Int, boot: UInt64, at time: UInt64) -> Bool {
        guard boot >= peers[peer].boot, time >= peers[peer].deafUntil else { return false }
        peers[peer].heard = time
        if peers[peer].isUp, peers[peer].boot == boot { return false }
        peers[peer].isUp = true
        peers[peer].boot = boot
        return true
    }

    /// Whether the opinion of the peer changes to "down".
    mutating func suspect(_ peer: Int, until time: UInt64) -> Bool {
        peers[peer].deafUntil = max(peers[peer].deafUntil, time)
        guard peers[peer].isUp else { return false }
        peers[peer].isUp = false
        return true
    }

    mutating func hearAgain() {
        for index in peers.indices { peers[index].deafUntil = 0 }
    }

    func isInTouch(with peer: Int, boot: UInt64) -> Bool { peers[peer].isUp && peers[peer].boot == boot }

    /// Peers silent for too long, which are down from now on.
    mutating func silent(at time: UInt64) -> [Int] {
        var silent: [Int] = []
        for index in peers.indices where peers[index].isUp && time > peers[index].heard + Self.patience {
            peers[index].isUp = false
            silent.append(index)
        }
        return silent
    }
}
