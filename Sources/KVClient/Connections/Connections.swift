import KVModel
import NIOCore
import NIOPosix

/// Decides which connection to a node carries a call, and when to open one. Belongs to an event loop.
///
/// A node carries out the requests of one connection one after the other. So calls go to an idle connection first;
/// where there is none, another is opened, up to the limit; only then do they queue behind others on a connection,
/// where there are fewest; and beyond `depth` they wait here.
final class Connections {
    let address: Address
    private let loop: any EventLoop
    private let limits: ConnectionLimits
    private let availability: Availability
    /// Those that take calls.
    private var lanes: [Lane] = []
    /// Those that take no further calls and wait for answers.
    private var draining: [Lane] = []
    private var opening = 0
    /// Until then, what is open has to do.
    private var openAgain = NIODeadline.now()
    private var waiting = CircularBuffer<Call>()
    /// Looks after calls that have waited too long.
    private var timer: Scheduled<Void>?
    private var timerDeadline = NIODeadline.distantFuture
    private var isClosed = false
    /// Set while calls are given out, which can break a connection and so come back here.
    private var isPlacing = false

    init(_ address: Address, limits: ConnectionLimits, _ availability: Availability, loop: any EventLoop) {
        self.address = address
        self.limits = limits
        self.availability = availability
        self.loop = loop
    }

    func take(_ calls: [Call]) {
        var earliest = NIODeadline.distantFuture
        for call in calls {
            if isClosed {
                call.end(.notSent(Self.closedReason))
            } else {
                waiting.append(call)
                earliest = min(earliest, call.sendBy)
            }
        }
        place()
        while waiting.count > limits.waiting, let call = waiting.popLast() { call.end(.turnedAway) }
        if !waiting.isEmpty { arm(earliest) }
    }

    func close(isAbrupt: Bool) {
        isClosed = true
        timer?.cancel()
        timer = nil
        let reason = Self.closedReason
        while let call = waiting.popFirst() { call.end(.notSent(reason)) }
        for lane in lanes { isAbrupt ? lane.close(reason) : lane.drain() }
        if isAbrupt { for lane in draining { lane.close(reason) } }
    }

    private static let closedReason = "its connections were closed"

    // MARK: Placing

    private func place() {
        guard !isPlacing else { return }
        isPlacing = true
        defer { isPlacing = false }
        let now = NIODeadline.now()
        var used: [Lane] = []
        send(to: { $0.idleLane(now) }, untilWaiting: 0, now, &used)
        while opening < waiting.count, mayOpen(now) { open() }
        // Those for which a connection is on its way wait for it.
        send(to: { $0.leastLoadedLane }, untilWaiting: opening, now, &used)
        for lane in used { lane.flush() }
    }

    private func send(
        to choice: (Connections) -> Lane?, untilWaiting rest: Int, _ now: NIODeadline, _ used: inout [Lane]
    ) {
        while waiting.count > rest, let call = waiting.first {
            if call.sendBy <= now {
                waiting.removeFirst()
                call.end(.notSent(lateReason))
            } else if call.isOver {
                waiting.removeFirst()
            } else if let lane = choice(self) {
                waiting.removeFirst()
                if lane.send(call), lane.load == 1 || used.last !== lane { used.append(lane) }
            } else {
                return
            }
        }
    }

    private func mayOpen(_ now: NIODeadline) -> Bool {
        !isClosed && lanes.count + opening < limits.connections && (lanes.isEmpty || now >= openAgain)
    }

    private func idleLane(_ now: NIODeadline) -> Lane? {
        for lane in lanes where lane.load == 0 {
            if now - lane.lastUsed <= limits.idleTime { return lane }
            lane.drain()
        }
        return nil
    }

    private var leastLoadedLane: Lane? {
        var best: Lane?
        for lane in lanes where lane.load < best?.load ?? limits.depth { best = lane }
        return best
    }

    private var lateReason: String { lanes.isEmpty ? "no connection in time" : "all connections were in use" }

    /// Least time between two looks at all that wait.
    private static let sweepInterval = TimeAmount.milliseconds(5)

    private func arm(_ deadline: NIODeadline) {
        guard timer == nil || deadline < timerDeadline else { return }
        timer?.cancel()
        timerDeadline = deadline
        timer = loop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            timer = nil
            sweep()
        }
    }

    private func sweep() {
        let now = NIODeadline.now()
        let reason = lateReason
        waiting.removeAll { call in
            guard call.sendBy <= now else { return call.isOver }
            call.end(.notSent(reason))
            return true
        }
        let next = now + Self.sweepInterval
        for call in waiting { arm(max(call.sendBy, next)) }
    }

    // MARK: Connections

    private func open() {
        opening += 1
        // Who has a choice meanwhile does not wait for the outcome.
        if availability.hasFailed { availability.down(for: limits.connectTimeout) }
        connect()
            .flatMapThrowing { try $0.pipeline.syncOperations.handler(type: Lane.self) }
            .assumeIsolated()
            .whenComplete { [self] result in
                opening -= 1
                switch result {
                case .success(let lane): opened(lane)
                case .failure(let error): failedToOpen(reason(error))
                }
            }
    }

    private func connect() -> EventLoopFuture<any Channel> {
        // The library would connect to what is left of the number in 16 bits. Later in this turn as connecting is, so
        // that who opens a connection is not called back meanwhile.
        let address = address
        guard (1...65535).contains(address.port) else { return loop.submit { throw NotAPort(port: address.port) } }
        let bound = NIOLoopBound(self, eventLoop: loop)
        return ClientBootstrap(group: loop)
            .connectTimeout(limits.connectTimeout)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Lane(bound.value))
                }
            }
            .connect(host: address.host, port: address.port)
    }

    private func opened(_ lane: Lane) {
        availability.up()
        guard lane.isUsable else { return place() }
        lanes.append(lane)
        if isClosed { lane.drain() } else { place() }
    }

    private func failedToOpen(_ reason: String) {
        guard !isClosed else { return }
        openAgain = .now() + limits.downTime
        guard lanes.isEmpty else { return place() }
        availability.down(for: limits.downTime)
        guard opening == 0 else { return }
        while let call = waiting.popFirst() { call.end(.notSent(reason)) }
    }

    /// Some of a connection's calls have been answered.
    func advanced() { if !waiting.isEmpty { place() } }

    /// A connection is to take no further calls.
    /// - Returns: false where too many are so: it is to be closed.
    func retire(_ lane: Lane) -> Bool {
        lanes.removeAll { $0 === lane }
        guard draining.count < limits.connections else { return false }
        draining.append(lane)
        return true
    }

    func closed(_ lane: Lane) {
        lanes.removeAll { $0 === lane }
        draining.removeAll { $0 === lane }
        place()
    }
}
