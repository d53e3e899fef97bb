import KVModel
import KVProtocol
import NIOCore

/// The connection of a lane: opens it when there are requests, and again when it is lost. Belongs to an event loop.
final class FrameLink {
    let address: Address
    private let loop: any EventLoop
    private let limits: ConnectionLimits
    private let availability: Availability
    /// It takes requests.
    private var connection: FrameConnection?
    /// They take no further requests and wait for answers.
    private var retired: [FrameConnection] = []
    private var isOpening = false
    private let waiting: WaitingRequests
    private var isClosed = false
    /// Set while `place` runs: sending can break a connection, which calls `place` again.
    private var isPlacing = false
    private(set) weak var lane: FrameLane?

    init(_ address: Address, limits: ConnectionLimits, _ availability: Availability, loop: any EventLoop) {
        self.address = address
        self.limits = limits
        self.availability = availability
        self.loop = loop
        waiting = WaitingRequests(limit: limits.waiting, loop: loop)
        waiting.lateReason = { [unowned self] in
            connection == nil ? "no connection in time" : "too many requests were under way"
        }
        waiting.onSweep = { [unowned self] in self.lane?.has(load) }
    }

    /// - Parameter hasAbandoned: whether some that were sent are not waited for any more.
    func take(_ requests: [PendingRequest], hasAbandoned: Bool, _ lane: FrameLane) {
        self.lane = lane
        var earliest = NIODeadline.distantFuture
        for pending in requests {
            if isClosed {
                pending.end(.notSent(Self.closedReason))
            } else {
                waiting.append(pending)
                earliest = min(earliest, pending.sendBy)
            }
        }
        if hasAbandoned { connection?.recount() }
        place()
        waiting.settle(earliest)
        lane.has(load)
    }

    private var load: Int { waiting.count + (connection?.load ?? 0) }

    func close(isAbrupt: Bool) {
        isClosed = true
        waiting.close(Self.closedReason)
        if isAbrupt {
            connection?.close(Self.closedReason)
            for old in retired { old.close(Self.closedReason) }
        } else {
            connection?.retire()
        }
    }

    private static let closedReason = "its connections were closed"

    /// Requests on a connection at most.
    var depth: Int { limits.depth }

    // MARK: Placing

    private func place() {
        guard !isPlacing, !isClosed else { return }
        isPlacing = true
        defer { isPlacing = false }
        let now = NIODeadline.now()
        if let connection, connection.load == 0, now - connection.lastUsed > limits.idleTime { connection.retire() }
        while let connection, connection.hasRoom, let pending = waiting.takeFirst(now: now) {
            connection.send(pending, now: now, lane)
        }
        connection?.flush()
        if connection == nil, !waiting.isEmpty, !isOpening { open() }
    }

    // MARK: Connections

    private func open() {
        isOpening = true
        // Requests that can go to another node do not wait for this attempt.
        if availability.hasFailed { availability.down(for: limits.connectTimeout) }
        connect()
            .flatMapThrowing { try $0.pipeline.syncOperations.handler(type: FrameConnection.self) }
            .assumeIsolated()
            .whenComplete { [self] result in
                switch result {
                case .success(let connection): connection.choose(within: limits.connectTimeout)
                case .failure(let error): failedToOpen(error)
                }
            }
    }

    private func connect() -> EventLoopFuture<any Channel> {
        let bound = NIOLoopBound(self, eventLoop: loop)
        return openChannel(to: address, on: loop, within: limits.connectTimeout) { FrameConnection(bound.value) }
    }

    // MARK: What connections say

    /// The node has said its hello.
    func opened(_ opened: FrameConnection) {
        isOpening = false
        availability.up()
        connection = opened
        if isClosed { opened.retire() } else { place() }
        lane?.has(load)
    }

    /// There is no connection, or it was lost before the node's hello.
    func failedToOpen(_ error: any Error) {
        isOpening = false
        defer { lane?.has(load) }
        guard !isClosed else { return }
        if case FrameError.notThisProtocol = error {
            availability.up()
            return lane?.fallBack(waiting.takeAll()) ?? waiting.fail("\(error)")
        }
        availability.down(for: limits.downTime, failureReason(error))
        waiting.fail(failureReason(error))
    }

    /// Some requests of a connection have ended.
    func advanced() {
        if !waiting.isEmpty { place() }
        lane?.has(load)
    }

    /// A connection takes no further requests.
    func retired(_ old: FrameConnection) {
        guard connection === old else { return }
        connection = nil
        retired.append(old)
        if retired.count > ConnectionLimits.retired {
            retired[0].close("too many connections wait for late answers")
        }
        if !waiting.isEmpty { place() }
    }

    func closed(_ old: FrameConnection) {
        if connection === old { connection = nil }
        retired.removeAll { $0 === old }
        if !waiting.isEmpty { place() }
        lane?.has(load)
    }
}
