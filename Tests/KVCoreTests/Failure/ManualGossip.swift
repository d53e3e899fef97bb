import KVCore

/// A few failure detectors, numbered from 1, on a network of datagrams. Time passes when the test says so.
struct ManualGossip {
    /// The delay of a message, in milliseconds.
    static let step: UInt64 = 10

    var swims: [NodeNumber: Swim] = [:]
    /// All changes of status, in order.
    private(set) var changes: [Change] = []
    /// By member: the number of times that it was vouched for and has not answered a probe.
    private(set) var unanswered: [NodeNumber: Int] = [:]
    /// By node: the later epochs that it has seen.
    private(set) var epochsSeen: [NodeNumber: Set<Epoch>] = [:]
    /// The time in milliseconds.
    private(set) var time: UInt64 = 1_000_000
    /// The percentage of messages that are lost.
    var loss: UInt64 = 0
    private(set) var lost = 0

    private var flying: [Flight] = []
    private var stopped: Set<NodeNumber> = []
    private var killed: Set<NodeNumber> = []
    private var cut: Set<[NodeNumber]> = []
    private var random: SplitMix
    private let options: SwimOptions

    /// A change of a member's status: `by` has changed what it holds `of` a member.
    struct Change: Equatable {
        let at: UInt64
        let by: NodeNumber
        let of: NodeNumber
        let liveness: Liveness
    }

    private struct Flight {
        let from: NodeNumber
        let to: NodeNumber
        let message: GossipMessage
    }

    init(_ count: Int, seed: UInt64 = 1, options: SwimOptions = SwimOptions()) {
        random = SplitMix(seed: seed)
        self.options = options
        for raw in 1...UInt16(count) { start(NodeNumber(raw), boot: 1, members: count) }
    }

    var now: Instant { Instant(nanoseconds: time * 1_000_000) }
    var numbers: [NodeNumber] { swims.keys.sorted() }

    private mutating func start(_ node: NodeNumber, boot: UInt64, members: Int) {
        var swim = Swim(me: node, incarnation: boot << 32, options: options, seed: random.next(), now: now)
        swim.setMembers((1...UInt16(members)).map { NodeNumber($0) }, now: now)
        swims[node] = swim
    }

    /// Stops a process like SIGSTOP: it does nothing, and messages to it wait in its socket.
    mutating func stop(_ node: NodeNumber) { stopped.insert(node) }
    mutating func resume(_ node: NodeNumber) { stopped.remove(node) }
    mutating func kill(_ node: NodeNumber) { killed.insert(node) }

    mutating func restart(_ node: NodeNumber, boot: UInt64) {
        killed.remove(node)
        start(node, boot: boot, members: swims.count)
    }

    /// Blocks all messages between two nodes, in both directions.
    mutating func cut(_ a: NodeNumber, _ b: NodeNumber) { cut.formUnion([[a, b], [b, a]]) }
    mutating func healAll() { cut = [] }

    mutating func run(_ milliseconds: UInt64) {
        let end = time + milliseconds
        while time < end {
            time += Self.step
            let arriving = flying
            flying = []
            let now = now
            for flight in arriving { deliver(flight, now) }
            for node in numbers where (time / Self.step + UInt64(node.raw)) % 5 == 0 && isRunning(node) {
                swims[node]?.tick(now: now)
                perform(node)
            }
        }
    }

    func status(of node: NodeNumber, by other: NodeNumber) -> Liveness? { swims[other]?.liveness(of: node) }

    /// When, after `start`, `other` first held `node` for this.
    func moment(_ liveness: Liveness, of node: NodeNumber, by other: NodeNumber, after start: UInt64) -> UInt64? {
        changes.first { $0.at >= start && $0.by == other && $0.of == node && $0.liveness == liveness }?.at
    }

    private func isRunning(_ node: NodeNumber) -> Bool { !stopped.contains(node) && !killed.contains(node) }

    private mutating func deliver(_ flight: Flight, _ now: Instant) {
        if killed.contains(flight.to) || cut.contains([flight.from, flight.to]) { return }
        if stopped.contains(flight.to) { return flying.append(flight) }
        swims[flight.to]?.receive(flight.message, from: flight.from, now: now)
        perform(flight.to)
    }

    private mutating func perform(_ node: NodeNumber) {
        let effects = swims[node]?.effects ?? []
        swims[node]?.effects = []
        for effect in effects {
            switch effect {
            case .send(let to, let message):
                if random.next() % 100 < loss {
                    lost += 1
                } else {
                    flying.append(Flight(from: node, to: to, message: message))
                }
            case .changed(let of, let liveness):
                changes.append(Change(at: time, by: node, of: of, liveness: liveness))
            case .unanswered(let of): unanswered[of, default: 0] += 1
            case .epochSeen(let epoch, _): epochsSeen[node, default: []].insert(epoch)
            }
        }
    }
}
