import KVCore
import KVSimulator

/// A large cluster in virtual time: the product's machines, as each node has them, on a network that loses nothing.
///
/// There are no clients and no checks here: `KVSimulator` has them, for clusters of a few nodes. What is of interest is
/// what a node's share of the work is, so messages are counted by kind and node, and the machines' work is measured.
///
/// A world owns its nodes, and a node owns its disk and its process. A process owns its machines and is changed by the
/// world only, which does what the product's runners do: it gives the machines their inputs and performs their effects.
/// Time is in whole milliseconds, and everything follows from the seed except the processor time.
package final class ScaleWorld {
    enum Arrival {
        case message(PeerMessage, from: NodeNumber)
        case datagram(GossipMessage, from: NodeNumber)
        /// This node's connection to a member stands.
        case linked(NodeNumber)
        /// This node's connection to a member was reset.
        case unlinked(NodeNumber)
        /// What was appended is on the disk.
        case synced(boot: UInt64)
        /// The topology that was being written is on the disk.
        case persisted(boot: UInt64)
    }

    /// Milliseconds that a message takes, and that a write to the disk takes.
    static let delay: UInt64 = 1
    /// Milliseconds until a new connection can be used: the network's handshake and the product's.
    static let linkDelay: UInt64 = 3
    private static let slots = 8

    package let scenario: ScaleScenario
    /// Milliseconds since the beginning.
    package internal(set) var time: UInt64 = 0
    var nodes: [ScaleNode]
    /// By number, the index of the member's machine.
    var machines: [Int?]
    var traffic: Traffic
    var work: Work
    var sizes = MessageSizes()
    var random: SeededRandom
    /// Who copied what, if a machine has vanished in the last phase.
    var recovery: Recovery?
    /// What operators were answered.
    var replies: [RequestID: ControlReply] = [:]
    var lastRequest: UInt64 = 0
    /// The arrivals by their time, modulo the number of elements.
    private var calendar: [[(to: Int, Arrival)]] = Array(repeating: [], count: slots)
    private var later: [(time: UInt64, action: () -> Void)] = []
    /// The nodes whose ticks end in this millisecond.
    private var touched: [Int] = []

    package init(_ scenario: ScaleScenario) {
        self.scenario = scenario
        random = SeededRandom(seed: scenario.seed)
        let count = scenario.nodes + scenario.spares
        nodes = (0..<count).map { ScaleNode(index: $0, seed: scenario.seed &+ UInt64($0)) }
        machines = Array(repeating: nil, count: count + 1)
        traffic = Traffic(machines: count)
        work = Work(machines: count)
        let topology = scenario.topology
        for member in topology.members {
            let index = Int(member.number.raw) - 1
            nodes[index].number = member.number
            nodes[index].topology = topology
            machines[Int(member.number.raw)] = index
        }
        preload(topology)
        for node in nodes where node.topology != nil { start(node) }
    }

    /// Puts the records on the disks of those who are to hold them.
    private func preload(_ topology: Topology) {
        for (index, assignment) in topology.assignments.enumerated() {
            let version = Version(ballot: Ballot(round: 1, node: assignment.replicas[0]), sequence: 1)
            let record = Record(version: version, value: Array(repeating: 7, count: scenario.valueBytes))
            let keys = (0..<scenario.records).map { (Key("p\(index)k\($0)"), record) }
            let records = Dictionary(uniqueKeysWithValues: keys)
            for member in assignment.replicas {
                guard let machine = machines[Int(member.raw)] else { continue }
                nodes[machine].driver.preload(PartitionID(UInt16(index)), membership: assignment.changed, records)
            }
        }
    }

    var now: Now { Now(monotonic: Instant(nanoseconds: (1000 + time) * 1_000_000), wall: 1_800_000_000_000 + time) }

    // MARK: - Time

    package func run(milliseconds: UInt64) {
        for _ in 0..<milliseconds { step() }
    }

    /// Runs until a condition holds, which is looked at every 100 ms.
    /// - Returns: Whether it holds within `limit` milliseconds.
    package func run(atMost limit: UInt64, until condition: () -> Bool) -> Bool {
        let end = time + limit
        while time < end {
            if condition() { return true }
            run(milliseconds: 100)
        }
        return condition()
    }

    func after(_ milliseconds: UInt64, _ action: @escaping () -> Void) { later.append((time + milliseconds, action)) }

    func schedule(_ arrival: Arrival, to index: Int, after milliseconds: UInt64) {
        calendar[Int((time + milliseconds) % UInt64(Self.slots))].append((index, arrival))
    }

    /// Ends the node's tick at the end of this millisecond.
    func touch(_ node: ScaleNode, _ process: ScaleProcess) {
        guard !process.isTouched else { return }
        process.isTouched = true
        touched.append(node.index)
    }

    private func step() {
        time += 1
        let slot = Int(time % UInt64(Self.slots))
        let arrivals = calendar[slot]
        calendar[slot] = []
        for (to, arrival) in arrivals { arrive(arrival, at: nodes[to]) }
        runTimers()
        if !later.isEmpty {
            let due = later.filter { $0.time <= time }
            later.removeAll { $0.time <= time }
            for (_, action) in due { action() }
        }
        // An end of a tick touches nothing but its own node.
        let ending = touched
        touched = []
        for index in ending {
            guard let process = nodes[index].process else { continue }
            process.isTouched = false
            endTick(nodes[index], process)
        }
    }

    // MARK: - Processes

    /// Starts the node's process, by the topology on its disk.
    func start(_ node: ScaleNode) {
        guard let topology = node.topology else { return assertionFailure("only members have shards") }
        node.boot += 1
        let process = ScaleProcess(
            node, topology: topology, scenario: scenario, seed: random.next() >> 1, time: time, now: now)
        node.process = process
        touch(node, process)
        for member in topology.members where member.number != node.number { connect(node, to: member.number) }
        // The others have tried to connect all the while.
        for other in nodes where other !== node {
            guard let process = other.process, process.topology.member(node.number) != nil else { continue }
            connect(other, to: node.number)
        }
    }

    /// Ends the node's process. Its connections are reset, unless the machine vanishes with them.
    func stop(_ node: ScaleNode, vanishes: Bool) {
        guard node.process != nil else { return }
        node.process = nil
        node.driver.crash(outage: false)
        guard !vanishes else { return }
        for other in nodes where other.process?.isLinked[Int(node.number.raw)] == true {
            schedule(.unlinked(node.number), to: other.index, after: Self.delay)
        }
    }

    /// Begins a connection to a member, if anything listens there.
    func connect(_ node: ScaleNode, to member: NodeNumber) {
        guard let index = machines[Int(member.raw)], let process = node.process, !process.isLinked[Int(member.raw)],
            nodes[index].process != nil || nodes[index].isPending
        else { return }
        traffic.count(.handshake, bytes: MessageSizes.handshake, from: node.index, to: index, isPacket: true)
        traffic.count(.handshake, bytes: MessageSizes.handshake, from: index, to: node.index, isPacket: true)
        schedule(.linked(member), to: node.index, after: Self.linkDelay)
    }

    // MARK: - Sending

    func send(_ node: ScaleNode, _ process: ScaleProcess, to member: NodeNumber, _ message: PeerMessage) {
        guard process.isLinked[Int(member.raw)], let index = machines[Int(member.raw)] else { return }
        let isFrame = process.lastFrame[Int(member.raw)] != time
        process.lastFrame[Int(member.raw)] = time
        let isHeard = nodes[index].process != nil || nodes[index].isPending
        traffic.count(
            MessageKind(message), bytes: sizes.bytes(message), from: node.index, to: isHeard ? index : nil,
            isPacket: isFrame)
        schedule(.message(message, from: node.number), to: index, after: Self.delay)
    }

    func send(_ node: ScaleNode, to member: NodeNumber, _ message: GossipMessage) {
        let index = machines[Int(member.raw)]
        let isHeard = index.map { nodes[$0].process != nil } ?? false
        traffic.count(.gossip, bytes: message.size, from: node.index, to: isHeard ? index : nil, isPacket: true)
        if isHeard, let index { schedule(.datagram(message, from: node.number), to: index, after: Self.delay) }
    }
}
