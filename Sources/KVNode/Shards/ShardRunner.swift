import KVAPI
import KVCore
import KVStorage
import KVWire
import Logging
import NIOCore
import NIOPosix

/// Performs what one shard decides: it owns the shard's machine, store and links, on one event loop.
///
/// Everything that arrives in one turn of the loop is given to the machine at once. One `tick` at the end of the turn
/// sends the results: one frame to each peer, and one commit to the commit thread. So batches grow with the load by
/// themselves.
///
/// Sendable because all mutable state is used only on `loop`.
final class ShardRunner: @unchecked Sendable {
    let index: Int
    let loop: any EventLoop
    let loopID: ObjectIdentifier
    let node: NodeIdentity
    let logger: Logger
    let status: NodeStatusBoard
    let clock: NodeClock
    /// Threads that run only commits.
    let commitPool: NIOThreadPool
    /// Threads that only read values.
    let readPool: NIOThreadPool
    let upkeepPool: NIOThreadPool
    /// Ends the process: the store must not be used any more.
    let onStoreFailure: @Sendable (StoreError) -> Void

    let store: LogStore
    let shard: Shard
    /// The peers that this shard can talk to. Each shard has its own links, so the shards of a node may differ.
    var reachability = Reachability(now: Clock.monotonic)
    var links: PeerLinks?
    /// The usage that the other nodes last reported. Only the first shard has it.
    var usages: [NodeNumber: PartitionUsage] = [:]
    /// The cluster machine's runner.
    weak var cluster: ClusterRunner?
    var names: MemberNames
    /// The first shard's runner or, if this is the first, those of all others.
    private var siblings: [ShardRunner] = []
    private var outbox = LoopOutbox()
    private var bytesInFlight = 0
    private let maximumBytesInFlight: Int
    /// The metadata quorum's partition, which has no clients' data.
    let metadataPartition: PartitionID

    private var isTickScheduled = false
    /// Whether a tick is under way. What it hands back may submit more, for the next tick.
    private var isTicking = false
    private var ticks = TaskChain()
    /// True while the next step of dropping purged tombstones or wiped records is scheduled.
    var isDroppingScheduled = false
    /// The number of scheduled ticks that are no longer needed, because a tick ran before them.
    private var overtakenTicks = 0
    /// The time when the clock was read last.
    private(set) var turn: Now
    private var effects: [ShardEffect] = []
    private var finished: [Request] = []
    /// The keys that are about to be looked up.
    var expected: [(partition: PartitionID, hash: KeyHash)] = []
    /// Reads that no client waits for.
    private var backgroundReads: [ReadTicket] = []
    /// The number of values found to differ under one version since the start, and when that was last logged.
    var conflicts: (count: Int, told: Instant?) = (0, nil)
    /// What the peers have been told of this node. Only the first shard tells it.
    var news = NodeNews()
    var progress = ProgressNews()
    /// The newest accept that was sent, encoded once for all replicas.
    private var encodedAccept: (partition: PartitionID, version: Version)?
    private var encoded = EncodedMessage(.node(.usageReport(PartitionUsage())))
    var damage = DamageReport()
    var clockReport = ClockReport()
    private var timer: RepeatedTask?
    private var timers = 0
    var isStopped = false
    /// True while the shard neither hears peers nor serves, since its store may have been emptied. See `Founding`.
    private(set) var isAbstaining = false
    private var stopped: EventLoopPromise<Void>?
    /// The number of jobs on the storage threads.
    var jobs = 0
    /// The reads among them.
    var loads = LoadQueue()
    var onDrained: (@Sendable () -> Void)?
    /// Called once, when no copy here lacks records that this node has acknowledged.
    var onComplete: (@Sendable () -> Void)?

    /// - Parameter mayLackRecords: whether power was lost with writes that were acknowledged and not synced.
    init(
        index: Int, of count: Int, loop: any EventLoop, node: NodeIdentity, topology: Topology,
        partitions: [PartitionID],
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
        reachability.pace = HeartbeatPace(members: topology.members.count)
        shard = Shard(
            me: node.number, boot: node.boot, topology: topology, partitions: partitions, index: index, shards: count,
            store: store, mayLackRecords: mayLackRecords, options: options, seed: UInt64.random(in: .min ... .max),
            now: turn)
    }

    // MARK: Lifecycle

    /// - Parameter isAbstaining: whether to wait for `takePart`.
    func start(
        links: PeerLinks, cluster: ClusterRunner, topology: Topology, runners: [ShardRunner], reads: ReadMode,
        isAbstaining: Bool
    ) {
        loop.assertInEventLoop()
        handle(.reads(reads))
        siblings = index == 0 ? Array(runners.dropFirst()) : Array(runners.prefix(1))
        self.isAbstaining = isAbstaining
        self.links = links
        self.cluster = cluster
        links.adopt(topology)
        considerComplete()
        let interval = TimeAmount.nanoseconds(Int64(ShardOptions().timer.nanoseconds))
        // The task keeps this object alive until `stop`. (A weak reference would slow down all other references to it.)
        timer = loop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [self] _ in onTimer() }
    }

    func takePart() {
        loop.assertInEventLoop()
        isAbstaining = false
        for (peer, boot) in reachability.peersInTouch { tellUp(peer, boot) }
    }

    /// Accepts nothing more, and syncs what has been appended. Requests that still wait end with their connections.
    func stop() -> EventLoopFuture<Void> {
        loop.assertInEventLoop()
        let promise = loop.makePromise(of: Void.self)
        isStopped = true
        stopped = promise
        timer?.cancel()
        links?.stop()
        links = nil
        siblings = []
        finishStopping()
        return promise.futureResult
    }

    func finishStopping() {
        guard jobs == 0, let stopped else { return }
        commitLast()
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

    /// The number of requests whose keys are looked up together: more would push each other out of the nearest cache.
    private static let lookupBatch = 16

    /// Executes those of a client's requests that are for this shard, in order. The client is on this loop.
    func take(_ requests: [Request], _ shards: ShardMap) {
        for request in requests where shards.shard(of: request.partition) == index {
            expected.append((request.partition, request.hash))
        }
        prefetch()
        let now = readClock()
        for request in requests where shards.shard(of: request.partition) == index {
            submit(request, at: now)
        }
    }

    /// Executes requests of clients on other loops, in order.
    func takeOver(_ requests: [Request]) {
        let now = readClock()
        var next = 0
        while next < requests.count {
            let end = min(next + Self.lookupBatch, requests.count)
            for request in requests[next..<end] { expected.append((request.partition, request.hash)) }
            prefetch()
            for request in requests[next..<end] { submit(request, at: now) }
            next = end
        }
    }

    /// Sends a request of a client on this loop to a shard on another one, at the end of the turn.
    func submit(_ request: Request, to other: ShardRunner) {
        loop.assertInEventLoop()
        outbox.submit(request, to: other)
        scheduleTick()
    }

    /// - Parameters:
    ///   - isOwn: whether it is the node's own request, which the limit on clients' requests does not count.
    ///   - now: the time, if it was read after the request had come. Not the turn's: the process may have stood still
    ///     since that was read, and a request must not find what had expired before it was sent.
    func submit(_ request: Request, isOwn: Bool = false, at now: Now? = nil) {
        loop.assertInEventLoop()
        shard.locate(request)
        let bytes = isOwn ? 0 : request.bytes
        if let refusal = obstacle(to: request, bytes) {
            request.end(.refused(refusal), by: node.number)
            return handBack(request)
        }
        let now = now ?? readClock()
        scheduleTick()
        shard.submit(request, now: now)
        guard !request.isFinished else { return handBack(request) }
        request.charged = bytes
        bytesInFlight += bytes
    }

    /// Why the machine may not be given the request; nil when it may.
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
        shard.handle(input, now: readClock())
        scheduleTick()
    }

    private func onTimer() {
        let now = readClock()
        if !isAbstaining { shard.handle(.timer, now: now) }
        timers += 1
        if index == 0, timers % 10 == 0 { clock.adjust() }
        if index == 0, timers % 100 == 0 { reviewClock(now.monotonic) }
        if timers % 10 == 0 {
            report()
            reviewPeers(now.monotonic)
            tellProgress()
        }
        if timers % 50 == 0, index == 0 { vouch() }
        if timers % Self.keptEvery == 0, index == 0 { cluster?.keepProgress() }
        // Other processes may be filling the disk, or making room.
        if timers % 100 == 0 { measureSpace() }
        if timers % 100 == 0 { reviewDamage(now.monotonic) }
        maintainStore(now.monotonic)
        tick()
    }

    // MARK: Effects

    func readClock() -> Now {
        turn = clock.now
        return turn
    }

    func scheduleTick() {
        guard !isTickScheduled else { return }
        isTickScheduled = true
        // Runs when the loop has delivered everything that had arrived. What a tick itself asks for is scheduled at its
        // end.
        if !isTicking { ticks.begin(on: loop) { [self] in scheduledTick() } }
    }

    private func scheduledTick() {
        guard overtakenTicks == 0 else { return overtakenTicks -= 1 }
        isTickScheduled = false
        tick()
    }

    func tick() {
        assert(!isTicking, "a tick that is under way takes what comes meanwhile to the next one")
        // Two ticks that are scheduled would take turns for as long as there is work: while one runs, the pause of the
        // other ends, and the loop would not look for input.
        if isTickScheduled { overtakenTicks += 1 }
        isTickScheduled = false
        isTicking = true
        defer {
            isTicking = false
            if isTickScheduled { ticks.goOn(on: loop, now: turn.monotonic) { [self] in scheduledTick() } }
        }
        // Send this first, so that the other shards can begin.
        outbox.send()
        guard !isStopped else { return }
        let now = readClock()
        ticks.begins(now: now.monotonic)
        flush(now)
        let job = writeAtOnce(now)
        // Fail-stop, in this one place: once the store has failed, nothing that the machine has decided leaves the
        // node, and what it appended since is lost.
        guard check(store.failure), !isStopped else { return outbox.send() }
        // Peers come first, since they have to sync as well, then the disk. Clients have been waiting for both.
        perform()
        links?.flush()
        if let job { commit(job) }
        if store.wantsMaintenance { maintain() }
        handBackFinished()
        outbox.send()
        loads.endTurn()
    }

    /// Writes what the tick appended, if that takes hardly any time, so that answers and acknowledgements leave with
    /// the same frames. Otherwise returns the job for a storage thread. (A sync that is under way may hold up a write.)
    private func writeAtOnce(_ now: Now) -> CommitJob? {
        guard store.failure == nil, let job = store.takeCommit() else { return nil }
        guard job.isQuick, !store.isSyncing else { return job }
        guard check(store.completed(job.run())) else { return nil }
        sync(now: now.monotonic)
        shard.handle(.durable, now: now)
        // Answers may have released further changes.
        flush(readClock())
        return store.takeCommit()
    }

    private func perform() {
        swap(&effects, &shard.effects)
        for effect in effects {
            switch effect {
            case .send(let peer, let message): send(message, to: peer)
            case .siblings(let message): for sibling in siblings { outbox.tell(message, to: sibling) }
            case .load(let ticket): load([ticket])
            case .loadLater(let ticket): backgroundReads.append(ticket)
            case .notice(let notice): report(notice)
            }
        }
        effects.removeAll(keepingCapacity: true)
        encodedAccept = nil
        guard !backgroundReads.isEmpty else { return }
        load(backgroundReads)
        backgroundReads.removeAll(keepingCapacity: true)
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
        if message.isAboutPartitions {
            link.isUsed = true
        } else if index == 0, case .shards = message {
            tellOfNode(peer, link)
        }
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
        let caller = request.eventLoopCaller
        if caller.loopID == loopID {
            caller.ended(request)
        } else {
            outbox.handBack(request, to: caller)
            scheduleTick()
        }
    }
}
