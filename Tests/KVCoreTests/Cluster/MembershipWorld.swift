import KVCore
import XCTest

/// Several cluster machines with a network between them, and the topology's register. There are no shards: the world
/// itself reports the moves of the topologies that nodes have adopted. Time passes only in `step`.
final class MembershipWorld {
    struct Node {
        var machine: ClusterMachine
        var store: UUID128
        /// The topology on the node's disk.
        var disk: Topology
        var boot: UInt64
        /// The machine has been told that it leads the metadata quorum.
        var believesToLead = false
        var nextTimer: Instant
        var nextReport: Instant
    }

    struct JoiningNode {
        var pendingNode: PendingNode
        var nextAnnouncement: Instant
    }

    enum Event {
        case message(from: NodeNumber, to: NodeNumber, ClusterMessage)
        case epoch(Epoch, from: NodeNumber, to: NodeNumber)
        case persisted(NodeNumber, boot: UInt64, Topology)
        case execute(NodeNumber, boot: UInt64, UInt64, Command)
        case outcome(NodeNumber, boot: UInt64, UInt64, Outcome)
        /// A change whose outcome was reported as unknown takes effect late, if its condition still holds.
        case late(Put)
        case liveness(NodeNumber, Liveness, since: Instant)
        case leading(NodeNumber, boot: UInt64, Bool)
    }

    let table = TopologyTable()
    let history: TopologyHistory
    var options = ClusterOptions()
    var random: SplitMix
    var now = Now(monotonic: Instant(nanoseconds: 1_000_000_000), wall: 1_700_000_000_000)
    var nodes: [NodeNumber: Node] = [:]
    /// Members whose process is not running.
    var down: [NodeNumber: (node: Node, since: Instant)] = [:]
    var joiningNodes: [UUID128: JoiningNode] = [:]
    var events: [(due: Instant, event: Event)] = []
    var register: (value: [UInt8], version: Version)?
    var leader: NodeNumber?
    var answers: [RequestID: ControlReply] = [:]
    var notices: [(node: NodeNumber, notice: ClusterNotice)] = []
    var progress: [TopologyHistory.Move: Int] = [:]
    var questions: UInt64 = 0
    /// How many topologies were written to disks as a whole, and by what they change.
    var wholes = 0
    var changed = 0
    private var nextGossip = Instant(nanoseconds: 0)
    private var writes: UInt64 = 0
    private var stores: UInt64 = 0

    /// The members that are of an earlier version: they are told whole topologies, not what changes.
    var isEarlier: (NodeNumber) -> Bool = { $0.raw % 4 == 3 }
    /// The probability that a message is lost.
    var loss = 0.0
    /// The probability that the outcome of a put is reported as unknown.
    var doubt = 0.0
    var delay = 1...3 as ClosedRange<UInt64>
    /// The number of reports until a move is ready.
    var movePace = 2
    /// Moves never become ready.
    var movesStandStill = false

    static let tick = Nanoseconds.milliseconds(20)

    init(
        _ count: Int, partitions: Int = 16, replicas: Int = 3, zones: Int = 0, seed: UInt64 = 1,
        options: ClusterOptions = ClusterOptions()
    ) {
        random = SplitMix(seed: seed)
        let members = (1...count).map { Member($0, zone: zones > 0 ? "z\($0 % zones)" : "") }
        let settings = ClusterSettings(name: "test", partitions: partitions, replicas: replicas)
        let first = Topology.initial(clusterID: UUID128(high: 7, low: 7), settings: settings, members: members)
        history = TopologyHistory(first: first)
        self.options = options
        for member in members { boot(member.number, store: newStore(), disk: first, boot: 1) }
    }

    // MARK: - Processes

    func newStore() -> UUID128 {
        stores += 1
        return UUID128(high: 1, low: stores)
    }

    func boot(_ number: NodeNumber, store: UUID128, disk: Topology, boot: UInt64) {
        let machine = ClusterMachine(
            me: number, boot: boot, store: store, topology: disk, options: options, coding: table.coding,
            seed: random.next(), now: now)
        nodes[number] = Node(
            machine: machine, store: store, disk: disk, boot: boot,
            nextTimer: now.monotonic + .milliseconds(random.next(upperBound: 100)),
            nextReport: now.monotonic + .milliseconds(random.next(upperBound: 250)))
        down[number] = nil
        after(.milliseconds(20), .liveness(number, .alive, since: now.monotonic))
        for (other, state) in down { after(.milliseconds(2000), .liveness(other, .dead, since: state.since)) }
    }

    func kill(_ raw: Int) {
        let number = NodeNumber(UInt16(raw))
        guard let node = nodes.removeValue(forKey: number) else { return }
        down[number] = (node, now.monotonic)
        if leader == number { leader = nil }
        after(.milliseconds(300), .liveness(number, .suspect, since: now.monotonic))
        after(.milliseconds(1500), .liveness(number, .dead, since: now.monotonic))
    }

    func restart(_ raw: Int) {
        guard let (node, _) = down[NodeNumber(UInt16(raw))] else { return }
        boot(NodeNumber(UInt16(raw)), store: node.store, disk: node.disk, boot: node.boot + 1)
    }

    /// Recovers the cluster on stopped nodes from the topologies on their disks, as an operator would.
    func recover(on survivors: [Int], lost: [Int], acceptsLoss: Bool = false) throws {
        for raw in survivors {
            let number = NodeNumber(UInt16(raw))
            guard let disk = down[number]?.node.disk else { return XCTFail("\(number) is not stopped") }
            let recovery = try TopologyRecovery(
                of: disk, survivor: number,
                lost: lost.compactMap { disk.member(NodeNumber(UInt16($0)))?.id }, acceptsLoss: acceptsLoss)
            if recovery.topology.epoch > history.last.epoch { history.decree(recovery.topology) }
            down[number]?.node.disk = recovery.topology
        }
    }

    /// Starts a node that waits to be admitted.
    @discardableResult
    func apply(
        _ id: String, weight: Int = 1, zone: String = "", store: UUID128? = nil, admitsItself: Bool = false
    ) -> UUID128 {
        let store = store ?? newStore()
        let pendingNode = PendingNode(
            id: id, client: Address(host: "h-\(id)", port: 7400), peer: Address(host: "h-\(id)", port: 7500),
            zone: zone, weight: weight, store: store, boot: 1, admitsItself: admitsItself)
        joiningNodes[store] = JoiningNode(pendingNode: pendingNode, nextAnnouncement: now.monotonic)
        return store
    }

    // MARK: - Operators' requests

    func ask(_ raw: Int, _ request: ControlRequest, within span: Nanoseconds = .milliseconds(5000)) -> RequestID {
        questions += 1
        let id = RequestID(questions)
        give(NodeNumber(UInt16(raw)), .control(id, request, deadline: now.monotonic + span))
        return id
    }

    /// Makes a request and waits for the answer.
    func reply(
        _ raw: Int, _ request: ControlRequest, within span: Nanoseconds = .milliseconds(5000),
        file: StaticString = #filePath,
        line: UInt = #line
    ) -> ControlReply? {
        let id = ask(raw, request, within: span)
        run(until: { self.answers[id] != nil }, file: file, line: line)
        return answers[id]
    }

    func change(joins: [String] = [], leaves: [String] = [], isForced: Bool = false) -> ControlRequest {
        .change(
            MembershipChange(joins: joins.map { .init(id: $0) }, leaves: leaves, isForced: isForced), isDryRun: false)
    }

    // MARK: - Time

    func run(_ span: Nanoseconds) {
        let end = now.monotonic + span
        while now.monotonic < end { step() }
    }

    func run(
        until isDone: () -> Bool, limit: Nanoseconds = .milliseconds(60_000), file: StaticString = #filePath,
        line: UInt = #line
    ) {
        let end = now.monotonic + limit
        while !isDone() {
            guard now.monotonic < end else {
                return XCTFail("did not come about in \(limit.milliseconds) ms: \(state)", file: file, line: line)
            }
            step()
        }
    }

    func step() {
        now.monotonic = now.monotonic + Self.tick
        now.wall += Self.tick.milliseconds
        let due = events.filter { $0.due <= now.monotonic }
        events.removeAll { $0.due <= now.monotonic }
        for (_, event) in due { perform(event) }
        chooseLeader()
        for number in nodes.keys.sorted() {
            if let node = nodes[number], now.monotonic >= node.nextTimer {
                nodes[number]?.nextTimer = now.monotonic + options.timer
                give(number, .timer)
            }
            if let node = nodes[number], now.monotonic >= node.nextReport {
                nodes[number]?.nextReport = now.monotonic + options.reportInterval
                give(number, .report(report(of: number, node)))
            }
        }
        announce()
        if now.monotonic >= nextGossip {
            nextGossip = now.monotonic + .milliseconds(200)
            gossip()
        }
    }

    /// Chooses a leader of the metadata quorum. The present one stays as long as it lives and belongs to the quorum.
    private func chooseLeader() {
        let metadataQuorum = history.last.metadataQuorum
        let sets = [metadataQuorum.replicas] + (metadataQuorum.next.map { [$0] } ?? [])
        let hasMajorities = sets.allSatisfy { set in set.count { nodes[$0] != nil } > set.count / 2 }
        if let leader, hasMajorities, metadataQuorum.members.contains(leader), nodes[leader] != nil {
            if nodes[leader]?.believesToLead == false { setLeading(leader, true) }
            return
        }
        depose()
        guard hasMajorities else { return }
        leader = (metadataQuorum.next ?? metadataQuorum.replicas).first { nodes[$0] != nil }
    }

    func depose() {
        guard let old = leader else { return }
        leader = nil
        if let node = nodes[old] {
            after(.milliseconds(random.next(upperBound: 300)), .leading(old, boot: node.boot, false))
        }
    }

    /// Gives the lead to another member of the metadata quorum. The old leader hears of it later.
    func switchLeader() {
        let candidates = history.last.metadataQuorum.members.filter { nodes[$0] != nil && $0 != leader }
        guard let next = candidates.randomElement(using: &random) else { return }
        depose()
        leader = next
    }

    func setLeading(_ number: NodeNumber, _ isLeading: Bool) {
        guard nodes[number] != nil, nodes[number]?.believesToLead != isLeading else { return }
        nodes[number]?.believesToLead = isLeading
        give(number, .leading(isLeading))
    }

    // MARK: - The register

    /// Executes a command on the register, linearizably.
    func execute(_ command: Command) -> Outcome {
        switch command {
        case .get:
            return register.map { .found(Record(version: $0.version, value: $0.value)) } ?? .absent
        case .put(let put):
            guard put.condition.holds(of: register?.version) else { return .conditionFailed(register?.version) }
            writes += 1
            let version = Version(ballot: Ballot(round: 1, node: NodeNumber(1)), sequence: writes)
            register = (put.value, version)
            // After a recovery, the recovered topology is written to the register. It is in the history already.
            if let topology = table.coding.decode(put.value), topology != history.last { history.append(topology) }
            return .written(version)
        case .delete, .list, .count, .update:
            XCTFail("the register is only read and put")
            return .absent
        }
    }
}

/// Encodes topologies for the register: an encoded topology is its number in this table.
final class TopologyTable: @unchecked Sendable {
    private var all: [Topology] = []

    var coding: TopologyCoding {
        TopologyCoding(
            encode: { topology, _ in
                self.all.append(topology)
                return withUnsafeBytes(of: UInt64(self.all.count - 1).littleEndian) { Array($0) }
            },
            decode: { bytes in
                guard bytes.count == 8 else { return nil }
                let index = bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
                return index < self.all.count ? self.all[index] : nil
            })
    }
}
