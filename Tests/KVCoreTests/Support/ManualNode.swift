import KVCore
import XCTest

/// One node's shard in a cluster of one partition, driven by the test: no time passes, nothing becomes durable and no
/// message arrives unless the test says so. Unless the test says otherwise, the replicas are the nodes 1 to 3.
final class ManualNode {
    struct Sent: Equatable {
        let to: NodeNumber
        let message: PeerMessage
    }

    let number: NodeNumber
    let store: ManualStore
    private(set) var now: Now
    let shard: Shard
    /// The messages that the node has sent and the test has not taken.
    private(set) var sent: [Sent] = []
    /// The requests that were made here, and the test's numbers for them.
    private var asked: [ObjectIdentifier: (request: Request, id: RequestID)] = [:]
    private(set) var answers: [RequestID: Outcome] = [:]
    private(set) var answeredBy: [RequestID: NodeNumber] = [:]
    private(set) var notices: [ShardNotice] = []
    private(set) var siblings: [SiblingMessage] = []
    private var loads: [ReadTicket] = []
    private var lastRequest: UInt64 = 0

    static let partition = PartitionID(0)
    static let start = Now(monotonic: Instant(nanoseconds: 3_600_000_000_000), wall: 1_700_000_000_000)

    /// A topology of one partition, or of what it has been split into, all at the same nodes.
    /// - Parameter members: The number of members at least.
    static func topology(_ assignment: Assignment, partitions: Int = 1, members: UInt16 = 0) -> Topology {
        Topology(
            clusterID: UUID128(high: 1, low: 2), epoch: assignment.changed,
            settings: ClusterSettings(name: "test", partitions: 1, replicas: 3),
            members: Set(assignment.members.map(\.raw)).union(1..<members + 1).sorted().map {
                Member(Int($0))
            },
            assignments: Array(repeating: assignment, count: partitions),
            metadataQuorum: Assignment(replicas: [1, 2].map(NodeNumber.init), changed: 1))
    }

    convenience init(
        _ number: UInt16, replicas: [UInt16] = [1, 2, 3], store: ManualStore = ManualStore(),
        options: ShardOptions = ShardOptions(), boot: UInt64 = 1, mayLackRecords: Bool = false, members: UInt16 = 0,
        lease: Nanoseconds = .zero, shards: Int = 1, now: Now = ManualNode.start
    ) {
        let assignment = Assignment(replicas: replicas.map(NodeNumber.init), changed: 1)
        self.init(
            number, assignment, store: store, options: options, boot: boot, mayLackRecords: mayLackRecords,
            members: members, lease: lease, shards: shards, now: now)
    }

    /// - Parameter lease: For how long nodes support others. With none, a node that has just started stands for
    ///   election at once, whoever has its promise.
    init(
        _ number: UInt16, _ assignment: Assignment, store: ManualStore, options: ShardOptions, boot: UInt64,
        mayLackRecords: Bool = false, members: UInt16 = 0, lease: Nanoseconds = .zero, shards: Int = 1, now: Now
    ) {
        var options = options
        options.lease = lease
        let topology = Self.topology(assignment, members: members)
        self.number = NodeNumber(number)
        self.store = store
        self.now = now
        shard = Shard(
            me: NodeNumber(number), boot: boot, topology: topology, partitions: [Self.partition], shards: shards,
            store: store,
            mayLackRecords: mayLackRecords, options: options, seed: UInt64(number), now: now)
    }

    // MARK: Inputs

    /// Gives the shard an input without ending the tick.
    func give(_ input: ShardInput) {
        shard.handle(input, now: now)
        collect()
    }

    func tick() {
        shard.flush(now: now)
        collect()
    }

    func receive(_ message: PeerMessage, from node: UInt16) {
        give(.message(from: NodeNumber(node), named(message)))
        tick()
    }

    func up(_ nodes: UInt16..., boot: UInt64 = 1) {
        for node in nodes { give(.peer(NodeNumber(node), .up(boot: boot))) }
        tick()
    }

    func down(_ nodes: UInt16...) {
        for node in nodes { give(.peer(NodeNumber(node), .down)) }
        tick()
    }

    /// Makes all appends durable without syncing them, as in a mode that does not sync each write.
    func write() {
        store.write()
        give(.durable)
        tick()
    }

    /// Makes all appends durable and syncs them.
    func sync() {
        store.sync()
        give(.durable)
        tick()
    }

    /// Lets time pass by both clocks, a timer at a time.
    func pass(_ milliseconds: UInt64) {
        for _ in 0..<(milliseconds + 9) / 10 {
            now = Now(monotonic: now.monotonic + .milliseconds(10), wall: now.wall + 10)
            give(.timer)
            tick()
        }
    }

    /// Sets the node's wall clock to so many milliseconds ahead of the right time.
    func setClock(ahead milliseconds: Int64) {
        now.wall = UInt64(Int64(Self.start.wall + (now.monotonic - Self.start.monotonic).milliseconds) + milliseconds)
    }

    func completeLoads() {
        let tickets = loads
        loads = []
        for ticket in tickets { give(.loaded(ticket, store.redeem(ticket))) }
        tick()
    }

    /// Has the shard fetch damaged records from other replicas.
    func repair() {
        for record in store.damagedRecords {
            give(.repair(record))
        }
        tick()
    }

    /// Makes a request without ending the tick.
    func ask(
        _ command: Command, _ key: Key = "k", consistency: Consistency = .linearizable, timeout: UInt64 = 5000,
        partition: PartitionID = ManualNode.partition
    ) -> RequestID {
        lastRequest += 1
        let id = RequestID(UInt64(number.raw) << 48 | lastRequest)
        let request = Request(
            command, key: key, partition: partition, consistency: consistency,
            limit: .until(now.monotonic + .milliseconds(timeout)))
        asked[ObjectIdentifier(request)] = (request, id)
        shard.submit(request, now: now)
        if request.isFinished { note(request) }
        return id
    }

    /// Makes a request and returns its outcome. Nil if it has none before the end of the tick.
    func answer(atOnce command: Command, _ key: Key = "k") -> Outcome? { answers[ask(command, key)] }

    /// Makes a request and ends the tick.
    func request(
        _ command: Command, _ key: Key = "k", consistency: Consistency = .linearizable, timeout: UInt64 = 5000
    ) -> RequestID {
        let id = ask(command, key, consistency: consistency, timeout: timeout)
        tick()
        return id
    }

    private func collect() {
        let effects = shard.effects
        shard.effects = []
        let finished = shard.finished
        shard.finished = []
        for request in finished { note(request) }
        for effect in effects {
            switch effect {
            case .send(let node, let message): sent.append(Sent(to: node, message: unnamed(message)))
            case .siblings(let message): siblings.append(message)
            case .load(let ticket), .loadLater(let ticket): loads.append(ticket)
            case .notice(let notice): notices.append(notice)
            }
        }
    }

    // Tests name requests by numbers of their own, which peers do not know.

    private func named(_ message: PeerMessage) -> PeerMessage {
        guard case .reply(let id, let reply) = message,
            let number = asked.values.first(where: { $0.id == id })?.request.number
        else { return message }
        return .reply(number, reply)
    }

    private func unnamed(_ message: PeerMessage) -> PeerMessage {
        guard case .request(var header, let request) = message,
            let id = asked.values.first(where: { $0.request.number == header.id })?.id
        else { return message }
        header.id = id
        return .request(header, request)
    }

    private func note(_ request: Request) {
        guard let (_, id) = asked[ObjectIdentifier(request)] else { return XCTFail("nobody has asked this") }
        XCTAssertNil(answers[id], "a request is answered once")
        answers[id] = request.outcome
        answeredBy[id] = request.executor
    }

    // MARK: Effects

    func forgetSent() { sent = [] }

    /// Takes the messages out of `sent` that went to one node and for which `pick` is not nil.
    func takeSent<Picked>(to node: UInt16, _ pick: (PeerMessage) -> Picked?) -> [Picked] {
        var picked: [Picked] = []
        sent.removeAll { sent in
            guard sent.to == NodeNumber(node), let what = pick(sent.message) else { return false }
            picked.append(what)
            return true
        }
        return picked
    }

    func hasSent<Picked>(_ pick: (PeerMessage) -> Picked?) -> Bool { sent.contains { pick($0.message) != nil } }

    func value(_ key: Key = "k") -> String? { store.records[key]?.value.map { String(decoding: $0, as: UTF8.self) } }

    var leads: Bool { shard.leader(of: Self.partition) == number }
    var isSettled: Bool { shard.isSettled(Self.partition) }
    var promise: Ballot { store.promise(Self.partition) }

    // MARK: Common steps

    /// Lets the node be elected by itself and node 2, whose root is the same unless another one is given.
    /// - Returns: The ballot.
    @discardableResult
    func lead(rootOfOther root: Digest? = nil, with supporters: [UInt16] = [2]) -> Ballot {
        up(2, 3)
        pass(50)
        for node in supporters {
            for preVote in takeSent(to: node, \.preVote) {
                receive(.replica(preVote, .preVoteResult(granted: true, promised: .zero)), from: node)
            }
        }
        sync()
        for node in supporters {
            for header in takeSent(to: node, \.prepare) {
                let own = store.tree(Self.partition).root
                receive(
                    .replica(header, .promise(root: root ?? own.digest, contents: own.contents, floor: .zero)),
                    from: node)
            }
        }
        XCTAssert(leads, "elected")
        XCTAssertEqual(isSettled, root == nil)
        return promise
    }

    /// Lets node 2 accept what it was sent, and this node's copy become durable. So all proposals are chosen.
    func choose() {
        for accept in takeSent(to: 2, \.accept) {
            receive(.replica(accept.header, .accepted(version: accept.record.version)), from: 2)
        }
        sync()
    }

    /// Lets node 2 confirm the newest round.
    func confirm() {
        guard let last = takeSent(to: 2, \.confirm).last else { return XCTFail("no confirmation is asked for") }
        receive(.replica(last.header, .confirmed(round: last.round)), from: 2)
    }

    func header(_ ballot: Ballot) -> PartitionHeader {
        PartitionHeader(partition: Self.partition, epoch: 1, ballot: ballot)
    }
}
