import KVClient
import KVCore
import NIOCore
import NIOPosix

/// One thread of the generator, with its connections and its share of the operations.
///
/// The generator may share the machine with the store that it measures. So an operation costs no task, no lock and no
/// promise: the handler that reads an answer records it and writes the next request.
///
/// The class is Sendable because it is used on `loop` only.
final class Worker: @unchecked Sendable {
    /// Makes the adapter of a connection to a node. The id is nil if it is not known.
    typealias AdapterMaker = @Sendable (Address, _ id: String?, SplitMix) -> any ProtocolAdapter

    /// The time before a connection that was lost or refused is opened again.
    private static let reconnectDelay = TimeAmount.milliseconds(100)
    /// The time before the next operation, if no connection is open.
    private static let restDelay = TimeAmount.milliseconds(10)
    private static let expiryInterval = TimeAmount.milliseconds(100)
    private static let mostRedirects = 5
    /// The number of failures of one operation after which loading has failed.
    private static let mostFailures = 20

    let loop: any EventLoop
    private let options: BenchOptions
    /// `0 ..< options.threads`
    private let thread: Int
    private let makeAdapter: AdapterMaker
    private let onMisrouted: @Sendable () -> Void
    private var random: SplitMix
    private var isOpen = true
    private var expiry: RepeatedTask?

    private var slotMap = SlotMap(anyOf: [])
    private var pools: [Address: ConnectionPool] = [:]
    /// The pools in the order of `slotMap.nodes`.
    private var poolOfNode: [ConnectionPool] = []
    private var turn = 0
    /// Connections with requests to be flushed.
    private var dirty: [WireConnection] = []
    /// The reason why the last attempt to open a connection failed.
    private var connectFailure: String?

    private var run: Run?
    private var interval = Interval()

    init(
        loop: any EventLoop, options: BenchOptions, thread: Int, onMisrouted: @escaping @Sendable () -> Void,
        makeAdapter: @escaping AdapterMaker
    ) {
        self.loop = loop
        self.options = options
        self.thread = thread
        self.onMisrouted = onMisrouted
        self.makeAdapter = makeAdapter
        random = SplitMix(seed: options.seed &* 31 &+ UInt64(thread))
    }

    // MARK: Connections

    /// Uses this map from now on, and connects to nodes that are new in it.
    /// - Returns: completes when each attempt has succeeded or failed.
    func follow(_ slotMap: SlotMap) -> EventLoopFuture<Void> {
        guard isOpen else { return loop.makeSucceededVoidFuture() }
        var attempts: [EventLoopFuture<Void>] = []
        self.slotMap = slotMap
        let mine = max(share(options.clients, thread: thread, of: options.threads), 1)
        poolOfNode = slotMap.nodes.enumerated().map { index, address in
            if let pool = pools[address] { return pool }
            let size = max(share(mine, thread: index, of: slotMap.nodes.count), 1)
            let pool = ConnectionPool(address, size: size)
            pools[address] = pool
            for _ in 0..<size { attempts.append(connect(pool)) }
            return pool
        }
        if expiry == nil {
            expiry = loop.scheduleRepeatedTask(
                initialDelay: Self.expiryInterval, delay: Self.expiryInterval
            ) { [weak self] _ in self?.expire() }
        }
        return EventLoopFuture.andAllComplete(attempts, on: loop)
    }

    var isConnected: Bool { poolOfNode.contains { !$0.connections.isEmpty } }

    /// The reason why there is no connection, for messages.
    var obstacle: String { connectFailure ?? "no connection" }

    private func connect(_ pool: ConnectionPool) -> EventLoopFuture<Void> {
        let address = pool.address
        let opened = ClientBootstrap(group: loop)
            .connectTimeout(.nanoseconds(Int64(clamping: options.timeout.nanoseconds)))
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let pool = pools[address] else { return }
                    let adapter = makeAdapter(address, slotMap.ids[address], SplitMix(seed: random.next()))
                    try channel.pipeline.syncOperations.addHandler(WireConnection(self, pool, adapter))
                }
            }
            .connect(host: address.host, port: address.port)
        // A failure is not passed on: it is tried again later, and the caller waits only for the first attempt.
        return opened.map { _ in }.flatMapErrorThrowing { [self] error in
            connectFailure = "\(address): \(failureReason(error))"
            reconnect(address)
        }
    }

    private func reconnect(_ address: Address) {
        guard isOpen else { return }
        loop.scheduleTask(in: Self.reconnectDelay) { [weak self] in
            guard let self, isOpen, let pool = pools[address] else { return }
            _ = connect(pool)
        }
    }

    func opened(_ connection: WireConnection, in pool: ConnectionPool) {
        guard isOpen else { return connection.close("the end") }
        pool.add(connection)
    }

    func closed(
        _ connection: WireConnection, in pool: ConnectionPool, lost: CircularBuffer<PendingOperation>, _ reason: String
    ) {
        pool.remove(connection)
        reconnect(pool.address)
        if !lost.isEmpty { onMisrouted() }
        let now = Clock.now
        for pending in lost {
            let kind: FailureKind = pending.isChange ? .unknown : .other
            answered(pending, .failed(kind, "\(pool.address): \(reason)"), on: nil, now: now)
        }
        flush()
    }

    private func expire() {
        // The server answers within `timeout`. The answer has another second to arrive.
        let patience = options.timeout.nanoseconds &+ 1_000_000_000
        let now = Clock.now
        guard now > patience else { return }
        for pool in pools.values {
            for connection in pool.connections { connection.expire(sentBefore: now - patience) }
        }
    }

    func close() {
        isOpen = false
        expiry?.cancel()
        finish()
        for pool in pools.values {
            for connection in pool.connections { connection.close("the end") }
        }
        pools = [:]
        poolOfNode = []
    }

    // MARK: Phases

    func begin(_ phase: Phase) -> EventLoopFuture<Figures> {
        let now = Clock.now
        let promise = loop.makePromise(of: Figures.self)
        let run = Run(
            phase, source: phase.source(options, thread: thread, of: options.threads),
            schedule: phase.schedule(start: now, thread: thread, of: options.threads),
            capacity: max(share(phase.inFlight, thread: thread, of: options.threads), 1), finished: promise, from: now)
        if phase.warmup > .zero {
            run.timers.append(
                loop.scheduleTask(in: .nanoseconds(Int64(clamping: phase.warmup.nanoseconds))) { [self] in
                    self.run?.warmed(now: Clock.now)
                })
        }
        if let duration = phase.duration {
            let whole = phase.warmup.nanoseconds &+ duration.nanoseconds
            run.timers.append(loop.scheduleTask(in: .nanoseconds(Int64(clamping: whole))) { [self] in stop() })
        }
        self.run = run
        if phase.rate == nil {
            for _ in 0..<run.capacity { next(after: nil, now: now) }
        } else {
            next(after: nil, now: now)
        }
        flush()
        return promise.futureResult
    }

    /// Begins no more operations. Those that are under way end.
    func stop() {
        guard let run, run.isBeginning else { return }
        run.endWindow(now: Clock.now)
        finishIfIdle()
    }

    private func finishIfIdle() {
        if let run, !run.isBeginning, run.inFlight == 0 { finish() }
    }

    private func finish() {
        run?.finish(now: Clock.now)
        run = nil
    }

    func takeInterval() -> Interval {
        defer {
            interval.latencies.reset()
            interval.failed = 0
        }
        return interval
    }

    // MARK: Operations

    /// Begins the operations that may begin after one has ended, or because they are due.
    /// - Parameter connection: the connection of the last answer. The next request goes there if it can.
    private func next(after connection: WireConnection?, now: UInt64) {
        guard let run, run.isBeginning else { return finishIfIdle() }
        if run.schedule == nil {
            begin(start: now, after: connection, now: now)
        } else {
            beginDue(after: connection, now: now)
        }
    }

    private func beginDue(after connection: WireConnection?, now: UInt64) {
        guard let run else { return }
        while run.isBeginning, run.inFlight < run.capacity, let start = run.schedule?.take(now: now) {
            begin(start: start, after: connection, now: now)
        }
        guard run.isBeginning, run.inFlight < run.capacity, run.alarm == nil, let next = run.schedule?.next else {
            return
        }
        run.alarm = loop.scheduleTask(deadline: .uptimeNanoseconds(next)) { [self] in
            self.run?.alarm = nil
            self.next(after: nil, now: Clock.now)
            flush()
        }
    }

    private func begin(start: UInt64, after connection: WireConnection?, now: UInt64) {
        guard let run else { return }
        guard let operation = run.source.next() else {
            run.exhaust()
            return finishIfIdle()
        }
        run.inFlight += 1
        let pending = PendingOperation(operation, start: start)
        if !send(pending, after: connection, now: now) { unsent(pending) }
    }

    /// - Returns: false if there was no connection to send it on.
    private func send(_ pending: PendingOperation, after connection: WireConnection?, now: UInt64) -> Bool {
        let request = pending.request(random.next())
        guard let chosen = choose(pending.operation, after: connection) else { return false }
        chosen.send(pending, request, now: now)
        markDirty(chosen)
        return true
    }

    private func choose(_ operation: Operation, after connection: WireConnection?) -> WireConnection? {
        guard poolOfNode.count > 1 else { return connection ?? poolOfNode.first?.choose(depth: options.pipeline) }
        if operation.kind != .scan, let leader = slotMap.leader(ofKey: operation.key), leader < poolOfNode.count {
            let pool = poolOfNode[leader]
            if let connection, connection.pool === pool { return connection }
            if let chosen = pool.choose(depth: options.pipeline) { return chosen }
        }
        // Any node may be asked: one that does not lead the key forwards the request.
        for _ in poolOfNode {
            turn = (turn + 1) % poolOfNode.count
            if let chosen = poolOfNode[turn].choose(depth: options.pipeline) { return chosen }
        }
        return nil
    }

    private func markDirty(_ connection: WireConnection) {
        guard !connection.isDirty else { return }
        connection.isDirty = true
        dirty.append(connection)
    }

    func flush() {
        // A write that fails closes its connection, and the operations that are sent again make other connections
        // dirty.
        while let connection = dirty.popLast() { connection.flush() }
    }

    /// Handles an operation for which there was no connection.
    private func unsent(_ pending: PendingOperation) {
        guard let run else { return }
        if run.isLoad { return retry(pending) }
        run.inFlight -= 1
        run.source.ended(pending.operation)
        fail(.refused, obstacle)
        // In an open loop the next operation begins when it is due.
        guard run.schedule == nil else { return }
        loop.scheduleTask(in: Self.restDelay) { [self] in
            next(after: nil, now: Clock.now)
            flush()
        }
    }

    /// Called when all answers to an operation's request have come, or when none will come.
    /// - Parameter connection: nil if it was lost.
    func answered(_ pending: PendingOperation, _ result: WireResult, on connection: WireConnection?, now: UInt64) {
        guard let run else { return }
        switch result {
        case .done, .missing, .unrelated:
            if pending.operation.kind == .readModifyWrite, !pending.isSecond {
                var second = pending
                second.isSecond = true
                if send(second, after: connection, now: now) { return }
                fail(.refused, obstacle)
            } else {
                done(pending, isMissing: result == .missing, now)
            }
        case .moved(let address):
            onMisrouted()
            if pending.redirects < Self.mostRedirects, redirect(pending, to: address, now) { return }
            fail(.refused, "moved to \(address) again and again")
        case .failed(let kind, let reason):
            if run.isLoad { return retry(pending, reason) }
            fail(kind, reason)
            if kind == .refused { onMisrouted() }
        }
        run.inFlight -= 1
        run.source.ended(pending.operation)
        next(after: connection, now: now)
    }

    private func done(_ pending: PendingOperation, isMissing: Bool, _ now: UInt64) {
        guard let run else { return }
        let latency = now > pending.start ? now - pending.start : 0
        run.recorder.done(pending.operation.kind, nanoseconds: latency, isMissing: isMissing)
        if run.isWatched { interval.latencies.record(min(latency, Recorder.longest)) }
    }

    private func fail(_ kind: FailureKind, _ reason: @autoclosure () -> String) {
        run?.recorder.failed(kind, reason())
        interval.failed += 1
    }

    private func redirect(_ pending: PendingOperation, to address: Address, _ now: UInt64) -> Bool {
        var pending = pending
        pending.redirects += 1
        guard let connection = pools[address]?.choose(depth: options.pipeline) else { return false }
        connection.send(pending, pending.request(random.next()), now: now)
        markDirty(connection)
        return true
    }

    /// Loads a key again. If the outcome was unknown, writing the key again makes it known.
    private func retry(_ pending: PendingOperation, _ reason: String? = nil) {
        var pending = pending
        pending.failures += 1
        guard pending.failures < Self.mostFailures else {
            run?.inFlight -= 1
            fail(.refused, reason ?? obstacle)
            // One key that cannot be loaded is enough: loading has failed.
            return stop()
        }
        loop.scheduleTask(in: Self.reconnectDelay) { [self, pending] in
            let now = Clock.now
            if send(pending, after: nil, now: now) { flush() } else { retry(pending) }
        }
    }

    func misrouted() { onMisrouted() }
}
