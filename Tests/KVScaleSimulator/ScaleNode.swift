import KVCore
import KVSimulator

/// A machine of a large cluster: its disk, which outlives processes, and its process while one runs.
final class ScaleNode {
    let index: Int
    /// Names the node's data directory.
    let store: UUID128
    let driver: MemoryDriver
    /// The node's number as a member; 0 before it is one.
    var number = NodeNumber(0)
    /// The node runs and waits to be admitted.
    var isPending = false
    /// The number of processes that have run.
    var boot: UInt64 = 0
    /// The topology on the disk. Nil before the node is admitted.
    var topology: Topology?
    var process: ScaleProcess?

    init(index: Int, seed: UInt64) {
        self.index = index
        store = Self.store(index)
        driver = MemoryDriver(random: SeededRandom(seed: seed), loadChance: 0)
    }

    static func store(_ index: Int) -> UUID128 { UUID128(high: 7, low: UInt64(index + 1)) }

    var name: String { "n\(index + 1)" }

    /// The node as it describes itself while it waits.
    var description: PendingNode {
        PendingNode(
            id: name, client: Address(host: name, port: 7000), peer: Address(host: name, port: 7001), zone: "",
            weight: 1, store: store, boot: 1, admitsItself: false)
    }
}

/// A process of a node: the machines that make its decisions, and what the code around them keeps for them.
final class ScaleProcess {
    let boot: UInt64
    let shard: Shard
    var cluster: ClusterMachine
    var swim: Swim
    var reachability: Reachability
    var wall: WallClock
    var news = NodeNews()
    var progress = ProgressNews()
    /// The topology that the process acts on.
    var topology: Topology
    /// The topology that is being written to the disk.
    var persisting: Topology?
    /// By number: whether this node's connection to the member stands.
    var isLinked: [Bool]
    /// By number: when the last frame was sent to the member, in milliseconds.
    var lastFrame: [UInt64]
    /// The peers that the shard has had something to do with since they were last reviewed.
    var used: Set<NodeNumber> = []
    /// The timers of the shard so far.
    var timers = 0
    var nextReport: UInt64 = 0
    var nextFullReport: UInt64 = 0
    var durable: LogPosition = 0
    /// It is among those whose ticks end in this millisecond.
    var isTouched = false
    var isDrained = false

    init(_ node: ScaleNode, topology: Topology, scenario: ScaleScenario, seed: UInt64, time: UInt64, now: Now) {
        let (me, boot) = (node.number, node.boot)
        self.boot = boot
        self.topology = topology
        let members = topology.members.map(\.number)
        shard = Shard(
            me: me, boot: boot, topology: topology,
            partitions: (0...scenario.partitions).map { PartitionID(UInt16($0)) },
            store: node.driver.start(topology.slots)[0],
            options: ShardOptions(), seed: seed, now: now)
        cluster = ClusterMachine(
            me: me, boot: boot, store: node.store, topology: topology, options: scenario.clusterOptions,
            coding: .wire, seed: seed &+ 1, now: now)
        // Members presume the lowest incarnation of each other, so that nothing need be told of the first processes.
        swim = Swim(
            me: me, incarnation: boot == 1 && topology.epoch == 1 ? 0 : boot << 32, options: SwimOptions(),
            seed: seed &+ 2, now: now.monotonic)
        swim.setMembers(members, now: now.monotonic)
        swim.epoch = topology.epoch
        reachability = Reachability(now: now.monotonic)
        reachability.pace = HeartbeatPace(members: members.count)
        wall = WallClock(others: members.filter { $0 != me }, now: now)
        let numbers = scenario.nodes + scenario.spares + 1
        isLinked = Array(repeating: false, count: numbers)
        lastFrame = Array(repeating: 0, count: numbers)
        // Nodes do not report in step.
        nextReport = time + seed % 250
        nextFullReport = time + seed % 5000
    }
}
