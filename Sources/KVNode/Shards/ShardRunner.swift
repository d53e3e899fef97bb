import KVAPI
import KVCore
import KVStorage
import KVWire
import Logging
import NIOCore
import NIOPosix

/// Performs what one shard decides: it owns the shard's machine, store and links, on one event loop.
///
/// Whatever arrives in one turn of the loop is given to the machine at once; one `tick` at the end of the turn sends
/// what it amounts to, one frame a peer and one commit to its thread. So batches grow with the load by themselves.
///
/// Sendable because everything mutable is touched on `loop` only.
final class ShardRunner: @unchecked Sendable {
    let index: Int
    let loop: any EventLoop
    let loopID: ObjectIdentifier
    let node: NodeIdentity
    let logger: Logger
    let status: NodeStatusBoard
    let clock: NodeClock
    /// Commits, and nothing else.
    let commitPool: NIOThreadPool
    /// Reads values, and nothing else.
    let readPool: NIOThreadPool
    let upkeepPool: NIOThreadPool
    /// Ends the process: the store must not be used any more.
    let onStoreFailure: @Sendable (StoreError) -> Void

    let store: LogStore
    let shard: Shard
    /// Of this node's shards, each has links of its own, and so an opinion of its own on whom it can talk to.
    var reachability = Reachability(now: Clock.monotonic)
    var links: PeerLinks?
    /// What the other nodes hold, as they last said: the first shard's only.
    var usages: [NodeNumber: PartitionUsage] = [:]
    /// Of this node, by the links that stand.
    weak var cluster: ClusterRunner?
    private(set) var names: MemberNames
    private var outbox = LoopOutbox()
    private var bytesInFlight = 0
    private let maximumBytesInFlight: Int
    let partitions: [PartitionID]
    /// It holds no client's data.
    let metadataPartition: PartitionID
    /// Those of them that this node has a replica of.
    private(set) var held: [PartitionID] = []

    private var isTickScheduled = false
    /// What time it is until the scheduled tick: a request should not cost looks at two clocks.
    private var turn: Now
    private var effects: [ShardEffect] = []
    private var finished: [Request] = []
    /// What is about to be looked up.
    var expected: [(partition: PartitionID, hash: KeyHash)] = []
    /// What is to be read of it that no client waits for.
    private var later: [ReadTicket] = []
    /// Values that differed under one version, found since the start, and when the log was last told.
    var conflicts: (count: Int, told: Instant?) = (0, nil)
    /// The last batch of the store that peers have been told of.
    var toldProgress: UInt64 = 0
    /// The newest accept that was sent, encoded once for all replicas.
    private var encodedAccept: (partition: PartitionID, version: Version)?
    private var encoded = EncodedMessage(.node(.usageReport(PartitionUsage())))
    var damage = DamageReport()
    var clockReport = ClockReport()
    private var timer: RepeatedTask?
    private var timers = 0
    var isStopped = false
    /// It neither hears peers nor serves: its store may have been emptied, for all that is known. See `Founding`.
    private(set) var isAbstaining = false
    private var stopped: EventLoopPromise<Void>?
    /// Jobs on the storage threads.
    var jobs = 0
    /// What they read.
    var loads = LoadQueue()
    var onDrained: (@Sendable () -> Void)?
    /// No copy here lacks records that this node has acknowledged; nil once that has been said.
    var onComplete: (@Sendable () -> Void)?

    /// - Parameter mayLackRecords: power was lost with writes that were acknowledged and not synced.
    init(
        index: Int, loop: any EventLoop, node: NodeIdentity, topology: Topology, partitions: [PartitionID],
        store: LogStore, mayLackRecords: Bool, options: ShardOptions, maximumBytesInFlight: Int,
        status: NodeStatusBoard,
        clock: NodeClock, commitPool: NIOThreadPool, readPool: NIOThreadPool, upkeepPool: NIOThreadPool,
        logger: Logger, onStoreFailure: @escaping @Sendable (StoreError) -> Void
    ) {
        self.index = index
        self.loop = loop
        loopID = ObjectIdentifier(loop)
        self.node = node
        self.store = store
        self.partitions = partitions
        metadataPartition = topology.metadataPartition
        self.maximumBytesInFlight = maximumBytesInFlight
        self.status = status
        self.clock = clock
        turn = clock.now
        self.commitPool = commitPool
        self.readPool = readPool
        self.upkeepPool = upkeepPool
        self.logger = logger
        self.onStoreFailure = onStoreFailure
        names = MemberNames(topology)
        shard = Shard(
            me: node.number, boot: node.boot, topology: topology, partitions: partitions, store: store,
            mayLackRecords: mayLackRecords, options: options, seed: UInt64.random(in: .min ... .max), now: turn)
        held = partitions.filter { topology.assignment(of: $0)?.since(node.number) != nil }
    }

    // MARK: Lifecycle

    /// - Parameter isAbstaining: not to take part before `takePart`.
    func start(links: PeerLinks, cluster: ClusterRunner, topology: Topology, isAbstaining: Bool) {
        loop.assertInEventLoop()
        self.isAbstaining = isAbstaining
        self.links = links
        self.cluster = cluster
        links.adopt(topology)
        considerComplete()
        let interval = TimeAmount.nanoseconds(Int64(ShardOptions().timer.nanoseconds))
        // Held until `stop`. (A weak reference would make every other one to this object a slow one.)
        timer = loop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [self] _ in onTimer() }
    }

    func takePart() {
        loop.assertInEventLoop()
        isAbstaining = false
        for (peer, boot) in reachability.peersInTouch { tellUp(peer, boot) }
    }

    /// Takes nothing more, and puts on disk what has been appended. Requests still waiting end with their connections.
    func stop() -> EventLoopFuture<Void> {
        loop.assertInEventLoop()
        let promise = loop.makePromise(of: Void.self)
        isStopped = true
        stopped = promise
        timer?.cancel()
        links?.stop()
        links = nil
        finishStopping()
        return promise.futureResult
    }

    func finishStopping() {
        guard jobs == 0, let stopped else { return }
        commit()
        if jobs == 0 { sync(now: Instant(nanoseconds: .max), isLast: true) }
        guard jobs == 0 else { return }
        self.stopped = nil
        stopped.succeed()
    }

    // MARK: Inputs

    func prefetch() {
        guard expected.count > 1 else { return expected.removeAll(keepingCapacity: true) }
        store.prefetch(expected)
        expected.removeAll(keepingCapacity: true)
    }

    /// How many are looked up together, before they are begun: more would push each other out of the nearest cache.
    private static let together = 16

    /// Of what a client of this loop asks together, what this shard is to do, in this order.
    func take(_ requests: [Request], shards: Int) {
        for request in requests where request.partition.shard(among: shards) == index {
            expected.append((request.partition, request.hash))
        }
        prefetch()
        for request in requests where request.partition.shard(among: shards) == index {
            submit(request)
        }
    }

    /// What clients of other loops ask, in this order.
    func takeOver(_ requests: [Request]) {
        var next = 0
        while next < requests.count {
            let end = min(next + Self.together, requests.count)
            for request in requests[next..<end] { expected.append((request.partition, request.hash)) }
            prefetch()
            for request in requests[next..<end] { submit(request) }
            next = end
        }
    }

    /// A client of this loop asks another shard. It is told at the end of the turn.
    func transferLeadership(_ request: Request, to other: ShardRunner) {
        loop.assertInEventLoop()
        outbox.transferLeadership(request, to: other)
        scheduleTick()
    }

    /// - Parameter isOwn: of the node itself, for which clients' requests leave room.
    func submit(_ request: Request, isOwn: Bool = false) {
        loop.assertInEventLoop()
        let bytes = isOwn ? 0 : request.bytes
        if let refusal = obstacle(to: request, bytes) {
            request.end(.refused(refusal), by: node.number)
            return handBack(request)
        }
        let now = turnTime
        scheduleTick()
        shard.submit(request, now: now)
        guard !request.isFinished else { return handBack(request) }
        request.charged = bytes
        bytesInFlight += bytes
    }

    /// Why the shard is not even asked; nil where it is.
    private func obstacle(to request: Request, _ bytes: Int) -> Refusal? {
        guard !isStopped, store.failure == nil else { return .stopping }
        guard bytesInFlight + bytes <= maximumBytesInFlight else { return .overloaded }
        guard !isAbstaining else { return .noLeader }
        if request.redirects, let address = redirect(request) {
            request.redirect = address
            return .noLeader
        }
        if store.largestRecord > request.allowance, let needs = excess(request) {
            request.needs = needs
            return .overloaded
        }
        return nil
    }

    func handle(_ input: ShardInput) {
        shard.handle(input, now: look())
        scheduleTick()
    }

    private func onTimer() {
        let now = look()
        if !isAbstaining { shard.handle(.timer, now: now) }
        timers += 1
        if index == 0, timers % 10 == 0 { keepTime(now.monotonic, isTelling: timers % 100 == 0) }
        if timers % 10 == 0 {
            report()
            reachability.tick(now: now.monotonic)
            performReachability()
            tellProgress()
        }
        if timers % 50 == 0, index == 0 { vouch() }
        if timers % Self.keptEvery == 0, index == 0 { cluster?.keepProgress() }
        // The reports of usage are a node's, so one shard sends them.
        if timers % 100 == 0, index == 0, let usage = status.usage { links?.broadcast(.node(.usageReport(usage))) }
        // Others may be filling the disk, or making room.
        if timers % 100 == 0 { measureSpace() }
        if timers % 100 == 0 { reviewDamage(now.monotonic) }
        maintainStore(now.monotonic)
        tick()
    }

    // MARK: Effects

    var turnTime: Now { isTickScheduled ? turn : look() }

    func look() -> Now {
        turn = clock.now
        return turn
    }

    func scheduleTick() {
        guard !isTickScheduled else { return }
        isTickScheduled = true
        // Runs when the loop has handed out everything that had arrived.
        loop.execute { [self] in tick() }
    }

    func tick() {
        isTickScheduled = false
        // The other shards may begin.
        outbox.send()
        guard !isStopped else { return }
        let now = look()
        shard.flush(now: now)
        let job = writeAtOnce(now)
        // Fail-stop, in this one place: once the store has failed, nothing that the machine has decided leaves the
        // node. What it appended meanwhile is nowhere.
        guard check(store.failure), !isStopped else { return outbox.send() }
        // First what others wait for: peers, who sync as well, and then the disk. Clients have waited for them.
        perform()
        links?.flush()
        if let job { commit(job) }
        handBackFinished()
        outbox.send()
        loads.endTurn()
    }

    /// Writes what the tick appended, where that takes no time to speak of, so that answers and acknowledgements leave
    /// with the same frames; otherwise returns what a storage thread is to do. (A sync under way may hold up a write.)
    private func writeAtOnce(_ now: Now) -> CommitJob? {
        guard store.failure == nil, let job = store.takeCommit() else { return nil }
        guard job.isQuick, !store.isSyncing else { return job }
        guard check(store.completed(job.run())) else { return nil }
        sync(now: now.monotonic)
        shard.handle(.durable, now: now)
        // Answers may have let further changes go.
        shard.flush(now: now)
        return store.takeCommit()
    }

    private func perform() {
        swap(&effects, &shard.effects)
        for effect in effects {
            switch effect {
            case .send(let peer, let message): send(message, to: peer)
            case .load(let ticket): load([ticket])
            case .loadLater(let ticket): later.append(ticket)
            case .notice(let notice): report(notice)
            }
        }
        effects.removeAll(keepingCapacity: true)
        encodedAccept = nil
        guard !later.isEmpty else { return }
        load(later)
        later.removeAll(keepingCapacity: true)
    }

    private func handBackFinished() {
        swap(&finished, &shard.finished)
        for request in finished {
            bytesInFlight -= request.charged
            handBack(request)
        }
        finished.removeAll(keepingCapacity: true)
    }

    private func send(_ message: PeerMessage, to peer: NodeNumber) {
        guard let links, let link = links[peer] else { return }
        guard links.count > 1, case .replica(let header, .accept(_, let record)) = message else {
            return link.send(message)
        }
        // The same bytes go to every replica.
        if encodedAccept?.partition != header.partition || encodedAccept?.version != record.version {
            encoded.encode(message)
            encodedAccept = (header.partition, record.version)
        }
        link.send(encoded)
    }

    private func handBack(_ request: Request) {
        request.executorID = names[request.executor]
        let caller = request.doorCaller
        if caller.loopID == loopID {
            caller.ended(request)
        } else {
            outbox.handBack(request, to: caller)
            scheduleTick()
        }
    }

    // MARK: Topology

    /// Goes by a topology from now on; it is on disk.
    /// - Parameter farewell: the last that is sent to those who are members no more.
    func adopt(_ topology: Topology, farewell: EncodedMessage?) {
        loop.assertInEventLoop()
        guard !isStopped else { return }
        names = MemberNames(topology)
        if index == 0 { clock.setOthers(topology.members.map(\.number).filter { $0 != node.number }) }
        held = partitions.filter { topology.assignment(of: $0)?.since(node.number) != nil }
        // Before the links change: what the old topology still sends goes out over the old ones.
        handle(.topology(topology))
        tick()
        for peer in links?.adopt(topology, farewell: farewell) ?? [] {
            reachability.forget(peer)
            usages[peer] = nil
        }
        performReachability()
    }
}
