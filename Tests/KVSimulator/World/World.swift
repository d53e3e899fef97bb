import KVCore

/// A cluster in virtual time: the product's machines with a simulated network, disks, clocks and clients.
///
/// Everything that happens follows from the seed. A world is run by one thread; many worlds may run at the same time.
/// Times are nanoseconds since the beginning of the run.
final class World<Driver: StoreDriver> {
    enum Event {
        case arrival(from: Int, to: Int, generation: UInt32, PeerMessage)
        case ping(from: Int, to: Int, generation: UInt32, boot: UInt64, epoch: Epoch, wall: UInt64)
        case tick(Int, boot: UInt64)
        case timer(Int, boot: UInt64)
        case synced(Int, boot: UInt64)
        case loaded(Int, boot: UInt64, ReadTicket)
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
        driver: (inout SeededRandom, Scenario) -> Driver
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
        for index in 0..<scenario.machines {
            let spread = Int64(random.below(2 * scenario.clockRate + 1)) - Int64(scenario.clockRate)
            let wall = Self.wallOrigin + random.below(scenario.wallSkew.milliseconds + 1)
            var clock = NodeClock(origin: 1 + random.below(UInt64(1) << 50), rate: spread, wall: wall)
            if scenario.wrongClocks == .all {
                clock.drift = Int64(random.below(100_001)) - 50_000
            }
            nodes.append(
                SimulatedNode(index: index, driver: driver(&random, scenario), clock: clock, reads: scenario.reads))
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
        case .arrival(let from, let to, let generation, let message):
            guard
                from == to
                    || network.arrives(
                        from: from, to: to, generation: generation,
                        atMostOnce: message.isAtMostOnce || scenario.losesUnsynced) && haveMet(to, from)
            else { return statistics[.dropped] += 1 }
            trace.line(time, "  \(to + 1) <- \(from + 1) \(message)")
            if nodes[to].isPending, case .node(.cluster(.topology(let topology))) = message {
                return admitted(nodes[to], by: topology)
            }
            give(.input(.message(from: nodes[from].number, message)), to: to)
        case .ping(let from, let to, let generation, let boot, let epoch, let wall):
            if network.arrives(from: from, to: to, generation: generation, atMostOnce: false) {
                give(.ping(from: from, boot: boot, epoch: epoch, wall: wall), to: to)
            }
        case .tick(let index, let boot): tick(nodes[index], boot)
        case .timer(let index, let boot): timer(nodes[index], boot)
        case .synced(let index, let boot): synced(nodes[index], boot)
        case .loaded(let index, let boot, let ticket): loaded(nodes[index], boot, ticket)
        case .gossip(let from, let to, let generation, let message):
            if network.arrives(from: from, to: to, generation: generation, atMostOnce: false, isDatagram: true) {
                give(.gossip(from: from, message), to: to)
            }
        case .persisted(let index, let boot): persisted(nodes[index], boot)
        case .action(let action): action()
        }
    }

    /// Puts an item into the inbox of a node's process. It is lost if none runs.
    func give(_ item: SimulatedProcess<Driver.Store>.Item, to index: Int) {
        let node = nodes[index]
        guard let process = node.process else { return }
        process.inbox.append(item)
        wake(node, process)
    }

    func wake(_ node: SimulatedNode<Driver>, _ process: SimulatedProcess<Driver.Store>) {
        guard !process.tickIsScheduled, node.pauses == 0 else { return }
        process.tickIsScheduled = true
        queue.push(.tick(node.index, boot: process.boot), at: time + 1000 + loopRandom.below(Self.loopDelay))
    }

    func send(from: Int, to number: NodeNumber, _ message: PeerMessage) {
        if case .node(.cluster(.topology(let topology))) = message { findMachines(of: topology) }
        if let to = machines[number] { send(from: from, to: to, message) }
    }

    func send(from: Int, to: Int, _ message: PeerMessage) {
        statistics[.messages] += 1
        trace.fold(time, UInt64(from * 16 + to), message.fingerprint)
        guard from != to else {
            return queue.push(.arrival(from: from, to: to, generation: 0, message), at: time + 1000)
        }
        guard haveMet(from, to) else { return statistics[.dropped] += 1 }
        let deliveries = network.send(from: from, to: to, atMostOnce: message.isAtMostOnce, now: time)
        if deliveries.isEmpty { statistics[.dropped] += 1 }
        for delivery in deliveries {
            queue.push(
                .arrival(from: from, to: to, generation: delivery.generation, message), at: delivery.time)
        }
    }

    /// True if a message may pass between the present processes of two machines. The product rests on this where a
    /// power loss may take what a process has said: two processes shake hands before they exchange messages, and after
    /// the handshake with a machine's next process, messages to and from the earlier one do not arrive any more.
    private func haveMet(_ observer: Int, _ peer: Int) -> Bool {
        guard scenario.losesUnsynced else { return true }
        guard let process = nodes[observer].process else { return false }
        return process.known[peer] == nodes[peer].process?.boot
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
