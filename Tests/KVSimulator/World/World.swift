import KVCore

/// A cluster in virtual time: the product's machines with a simulated network, disks, clocks and clients.
///
/// Everything that happens follows from the seed. A world is run by one thread; many worlds may run at the same time.
/// Times are nanoseconds since the beginning of the run.
final class World<Driver: StoreDriver> {
    enum Event {
        /// - Parameter shard: That of the sender.
        case arrival(from: Int, shard: Int, to: Int, generation: UInt32, PeerMessage)
        case ping(from: Int, shard: Int, to: Int, generation: UInt32, Ping)
        case tick(Int, shard: Int, boot: UInt64)
        case timer(Int, shard: Int, boot: UInt64)
        case synced(Int, shard: Int, boot: UInt64)
        case loaded(Int, shard: Int, boot: UInt64, ReadTicket)
        case persisted(Int, boot: UInt64)
        case gossip(from: Int, to: Int, generation: UInt32, GossipMessage)
        case action(() -> Void)
    }

    /// What a wall clock that is right shows at time 0, in milliseconds since 1970.
    static var wallOrigin: UInt64 { 1_800_000_000_000 }
    /// The longest time between an input's arrival and the tick that handles it. Inputs gather meanwhile, as on an
    /// event loop.
    static var loopDelay: UInt64 { 100_000 }

    let scenario: Scenario
    /// The newest topology: the one that the world has chosen or, in a run that governs itself, the newest that a node
    /// acts on.
    var topology: Topology
    let mutant: Mutant?
    let options: ShardOptions
    let trace: Trace
    let keys: [Key]
    var time: UInt64 = 0
    var queue = EventQueue<Event>()
    var network: Network
    var nodes: [SimulatedNode<Driver>] = []
    let history = History()
    let ledger = Ledger()
    var statistics = Statistics()
    var isHealed = false

    var loopRandom: SeededRandom
    var faultRandom: SeededRandom
    var clientRandom: SeededRandom
    var moveRandom: SeededRandom
    var splitRandom: SeededRandom
    var leaseRandom: SeededRandom
    /// The partitions that may switch to their next replica set, each with the configuration that its leader reported.
    var ready: [PartitionID: Epoch] = [:]
    /// By member, the index of its machine.
    var machines: [NodeNumber: Int] = [:]
    let topologies = TopologyTable()
    /// By request, the closure that its client has given for the outcome.
    var waiting: [CallID: (Call, Outcome?) -> Void] = [:]
    /// By key, the versions that clients have been shown, the newest last.
    var shown: [Key: [Version]] = [:]
    /// By key, the value that a client was shown last.
    var lastValues: [Key: [UInt8]] = [:]
    /// A failure after which the run cannot go on.
    var failure: Violation?

    init(
        seed: UInt64, scenario: Scenario, mutant: Mutant?, sink: ((String) -> Void)?,
        driver: (inout SeededRandom, Scenario, _ shards: Int) -> Driver
    ) {
        self.scenario = scenario
        self.mutant = mutant
        options = scenario.options(mutant)
        trace = Trace(sink: sink)
        topology = Topology.simulated(scenario)
        keys = (0..<scenario.keys).map { Key($0 % 3 == 2 ? "{tag\($0 / 3)}k\($0)" : "k\($0)") }
        network = Network(scenario: scenario, random: SeededRandom(seed: seed, stream: 2))
        loopRandom = SeededRandom(seed: seed, stream: 3)
        faultRandom = SeededRandom(seed: seed, stream: 4)
        clientRandom = SeededRandom(seed: seed, stream: 5)
        moveRandom = SeededRandom(seed: seed, stream: 7)
        splitRandom = SeededRandom(seed: seed, stream: 8)
        leaseRandom = SeededRandom(seed: seed, stream: 9)
        var random = SeededRandom(seed: seed, stream: 6)
        // Drawn apart, so that all else of a seed is the same, however many shards its nodes have.
        var shardRandom = SeededRandom(seed: seed, stream: 11)
        for index in 0..<scenario.machines {
            let spread = Int64(random.below(2 * scenario.clockRate + 1)) - Int64(scenario.clockRate)
            let wall = Self.wallOrigin + random.below(scenario.wallSkew.milliseconds + 1)
            var clock = NodeClock(origin: 1 + random.below(UInt64(1) << 50), rate: spread, wall: wall)
            if scenario.wrongClocks == .all {
                clock.drift = Int64(random.below(100_001)) - 50_000
            }
            let disk = driver(&random, scenario, 1 + shardRandom.below(scenario.shards))
            nodes.append(SimulatedNode(index: index, driver: disk, clock: clock, reads: scenario.reads))
            if index < scenario.nodes || !scenario.isSelfGoverned { number(index, NodeNumber(UInt16(index + 1))) }
            if index < scenario.nodes { nodes[index].topology = topology }
        }
    }

    func number(_ index: Int, _ number: NodeNumber) {
        nodes[index].number = number
        machines[number] = index
    }

    func after(_ span: UInt64, _ action: @escaping () -> Void) { queue.push(.action(action), at: time + span) }

    /// Performs all events up to a time.
    func run(until end: UInt64) {
        while failure == nil, let next = queue.nextTime, next <= end, let event = queue.pop() {
            time = next
            perform(event)
        }
        time = max(time, end)
    }

    private func perform(_ event: Event) {
        switch event {
        case .arrival(let from, let shard, let to, let generation, let message):
            guard
                from == to
                    || network.arrives(
                        from: from, to: to, shard: shard, generation: generation,
                        atMostOnce: message.isAtMostOnce || scenario.losesUnsynced) && haveMet(to, from)
            else { return statistics[.dropped] += 1 }
            trace.line(time, "  \(to + 1) <- \(from + 1) \(message)")
            if nodes[to].isPending, case .node(.cluster(.topology(let topology))) = message {
                return admitted(nodes[to], by: topology)
            }
            deliver(message, from: from, to: to)
        case .ping(let from, let shard, let to, let generation, let ping):
            guard network.arrives(from: from, to: to, shard: shard, generation: generation, atMostOnce: false) else {
                return
            }
            giveAll(.ping(from: from, ping), to: to)
        case .tick(let index, let shard, let boot): tick(nodes[index], shard, boot)
        case .timer(let index, let shard, let boot): timer(nodes[index], shard, boot)
        case .synced(let index, let shard, let boot): synced(nodes[index], shard, boot)
        case .loaded(let index, let shard, let boot, let ticket): loaded(nodes[index], shard, boot, ticket)
        case .gossip(let from, let to, let generation, let message):
            if network.arrives(from: from, to: to, generation: generation, atMostOnce: false, isDatagram: true) {
                give(.gossip(from: from, message), to: to)
            }
        case .persisted(let index, let boot): persisted(nodes[index], boot)
        case .action(let action): action()
        }
    }

    func fail(_ error: any Error, on node: SimulatedNode<Driver>) {
        failure = Violation(.storage, "node \(node.number): \(error)")
    }
}

extension Topology {
    /// The first topology. Each partition's replicas follow each other on the ring of nodes.
    fileprivate static func simulated(_ scenario: Scenario) -> Topology {
        let members = (1...scenario.nodes).map {
            Member.simulated(NodeNumber(UInt16($0)), zone: scenario.zone($0 - 1))
        }
        let assignments = (0..<scenario.partitions).map { partition in
            let replicas = (0..<scenario.replicas).map { members[(partition + $0) % members.count].number }
            return Assignment(replicas: replicas, changed: 1)
        }
        return Topology(
            clusterID: UUID128(high: 1, low: 1), epoch: 1,
            settings: ClusterSettings(name: "sim", partitions: scenario.partitions, replicas: scenario.replicas),
            members: members, assignments: assignments,
            metadataQuorum: Assignment(replicas: Planner.metadataQuorum(of: members, current: []), changed: 1))
    }
}

extension Member {
    static func simulated(_ number: NodeNumber, zone: String = "") -> Member {
        Member(
            number: number, id: "n\(number)", client: Address(host: "n\(number)", port: 1),
            peer: Address(host: "n\(number)", port: 2), zone: zone, weight: 1)
    }
}

extension Scenario {
    /// The zone of a machine.
    func zone(_ index: Int) -> String { zones > 0 ? "z\(index % zones)" : "" }
}
