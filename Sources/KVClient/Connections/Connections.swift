import KVModel
import NIOCore

/// Decides which HTTP connection to a node carries a request, and when to open another. Belongs to an event loop.
///
/// A node executes the requests of one connection one after the other. So a request takes the first of these that there
/// is: an idle connection; a new one, up to the limit; the connection with the fewest unanswered requests, if they are
/// fewer than `depth`; a place in the queue here.
final class Connections {
    let address: Address
    private let loop: any EventLoop
    private let limits: ConnectionLimits
    private let availability: Availability
    /// Connections that take requests.
    private var active: [Connection] = []
    /// Connections that take no further requests and wait for answers.
    private var draining: [Connection] = []
    private var opening = 0
    /// No other connection is opened before this time, if one is open.
    private var openAgain = NIODeadline.now()
    private let waiting: WaitingRequests
    private var isClosed = false
    /// Set while `place` runs: sending can break a connection, which calls `place` again.
    private var isPlacing = false

    init(_ address: Address, limits: ConnectionLimits, _ availability: Availability, loop: any EventLoop) {
        self.address = address
        self.limits = limits
        self.availability = availability
        self.loop = loop
        waiting = WaitingRequests(limit: limits.waiting, loop: loop)
        waiting.lateReason = { [unowned self] in lateReason }
    }

    func take(_ requests: [PendingRequest]) {
        var earliest = NIODeadline.distantFuture
        for pending in requests {
            if isClosed {
                pending.end(.notSent(Self.closedReason))
            } else {
                waiting.append(pending)
                earliest = min(earliest, pending.sendBy)
            }
        }
        place()
        waiting.settle(earliest)
    }

    func close(isAbrupt: Bool) {
        isClosed = true
        let reason = Self.closedReason
        waiting.close(reason)
        for connection in active { isAbrupt ? connection.close(reason) : connection.drain() }
        if isAbrupt { for connection in draining { connection.close(reason) } }
    }

    private static let closedReason = "its connections were closed"

    // MARK: Placing

    private func place() {
        guard !isPlacing else { return }
        isPlacing = true
        defer { isPlacing = false }
        let now = NIODeadline.now()
        var used: [Connection] = []
        send(to: { $0.idleConnection(now) }, untilWaiting: 0, now, &used)
        while opening < waiting.count, mayOpen(now) { open() }
        // One request waits for each connection that is being opened; the others are pipelined.
        send(to: { $0.leastLoadedConnection }, untilWaiting: opening, now, &used)
        for connection in used { connection.flush() }
    }

    private func send(
        to choice: (Connections) -> Connection?, untilWaiting rest: Int, _ now: NIODeadline, _ used: inout [Connection]
    ) {
        while waiting.count > rest, let connection = choice(self), let pending = waiting.takeFirst(now: now) {
            if connection.send(pending), connection.load == 1 || used.last !== connection {
                used.append(connection)
            }
        }
    }

    private func mayOpen(_ now: NIODeadline) -> Bool {
        !isClosed && active.count + opening < ConnectionLimits.httpConnections && (active.isEmpty || now >= openAgain)
    }

    private func idleConnection(_ now: NIODeadline) -> Connection? {
        for connection in active where connection.load == 0 {
            if now - connection.lastUsed <= limits.idleTime { return connection }
            connection.drain()
        }
        return nil
    }

    private var leastLoadedConnection: Connection? {
        var best: Connection?
        for connection in active where connection.load < best?.load ?? ConnectionLimits.httpDepth { best = connection }
        return best
    }

    private var lateReason: String { active.isEmpty ? "no connection in time" : "all connections were in use" }

    // MARK: Connections

    private func open() {
        opening += 1
        // Requests that can go to another node do not wait for this attempt.
        if availability.hasFailed { availability.down(for: limits.connectTimeout) }
        connect()
            .flatMapThrowing { try $0.pipeline.syncOperations.handler(type: Connection.self) }
            .assumeIsolated()
            .whenComplete { [self] result in
                opening -= 1
                switch result {
                case .success(let connection): opened(connection)
                case .failure(let error): failedToOpen(failureReason(error))
                }
            }
    }

    private func connect() -> EventLoopFuture<any Channel> {
        let bound = NIOLoopBound(self, eventLoop: loop)
        return openChannel(to: address, on: loop, within: limits.connectTimeout) { Connection(bound.value) }
    }

    private func opened(_ connection: Connection) {
        availability.up()
        guard connection.isUsable else { return place() }
        active.append(connection)
        if isClosed { connection.drain() } else { place() }
    }

    private func failedToOpen(_ reason: String) {
        guard !isClosed else { return }
        openAgain = .now() + limits.downTime
        guard active.isEmpty else { return place() }
        availability.down(for: limits.downTime, reason)
        guard opening == 0 else { return }
        waiting.fail(reason)
    }

    /// Called when some requests of a connection have been answered.
    func advanced() { if !waiting.isEmpty { place() } }

    /// Takes a connection from those that take requests.
    /// - Returns: false if too many connections wait for late answers already; then it must be closed.
    func retire(_ connection: Connection) -> Bool {
        active.removeAll { $0 === connection }
        guard draining.count < ConnectionLimits.httpConnections else { return false }
        draining.append(connection)
        return true
    }

    func closed(_ connection: Connection) {
        active.removeAll { $0 === connection }
        draining.removeAll { $0 === connection }
        place()
    }
}
