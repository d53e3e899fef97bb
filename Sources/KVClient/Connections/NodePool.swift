import KVModel
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// The connections to one node, for any thread.
///
/// Operations go by the lanes of the client protocol, each on an event loop of its own as far as there are as many.
/// Calls go by HTTP; so do operations while the node is known not to speak the client protocol.
final class NodePool: Sendable {
    let address: Address
    private let availability: Availability
    private let lanes: [FrameLane]
    /// Requests of a lane at which it is busy.
    private let spread: Int
    private let logger: Logger
    private let http: HTTPPool
    /// Until when the node is known not to speak the client protocol.
    private let httpUntil: Atomic<UInt64>

    init(_ address: Address, limits: ConnectionLimits, _ logger: Logger, loops: () -> any EventLoop) {
        self.address = address
        self.logger = logger
        let availability = Availability(address, logger)
        self.availability = availability
        spread = min(ConnectionLimits.spread, limits.depth)
        let http = HTTPPool(address, limits: limits, availability, loop: loops())
        self.http = http
        lanes = (0..<limits.connections).map { _ in FrameLane(address, limits: limits, availability, loop: loops()) }
        httpUntil = Atomic(0)
        for lane in lanes { lane.setFallback { [weak self] in self?.fallBack($0) } }
    }

    /// No connection could be opened lately, so other nodes are asked first.
    var isDown: Bool { availability.isDown }

    func submit(_ pending: PendingRequest) {
        guard !pending.request.isAboutCluster, !speaksHTTPOnly else { return http.submit(pending) }
        lane.submit(pending)
    }

    private var speaksHTTPOnly: Bool {
        let until = httpUntil.load(ordering: .relaxed)
        return until != 0 && NIODeadline.now() < .uptimeNanoseconds(until)
    }

    /// The first lane that is not busy, or else the one with the least to do: so a program that does little has one
    /// connection.
    private var lane: FrameLane {
        var best = lanes[0]
        for lane in lanes {
            if lane.load < spread { return lane }
            if lane.load < best.load { best = lane }
        }
        return best
    }

    /// The node does not speak the client protocol. None of these has been sent.
    private func fallBack(_ requests: [PendingRequest]) {
        logger.info("\(address) does not speak the client protocol: it is asked by HTTP")
        httpUntil.store((NIODeadline.now() + ConnectionLimits.httpTime).uptimeNanoseconds, ordering: .relaxed)
        for pending in requests { http.submit(pending) }
    }

    /// Takes no further requests from now on. The connections close when their requests have been answered; with
    /// `isAbrupt`, at once.
    func close(isAbrupt: Bool) {
        http.close(isAbrupt: isAbrupt)
        for lane in lanes { lane.close(isAbrupt: isAbrupt) }
    }

    /// Closes the connections at once, and waits until that is done.
    func closed() async {
        await http.closed()
        for lane in lanes { await lane.closed() }
    }
}

/// The HTTP connections to one node. All of them are on one event loop, which owns everything about them. Requests come
/// in by a mailbox, so that those of one turn of the loop leave in one write a connection.
final class HTTPPool: Sendable {
    private let loop: any EventLoop
    private let mailbox = Mailbox()
    private let connections: NIOLoopBoundBox<Connections>

    init(_ address: Address, limits: ConnectionLimits, _ availability: Availability, loop: any EventLoop) {
        self.loop = loop
        connections = .makeBoxSendingValue(
            Connections(address, limits: limits, availability, loop: loop), eventLoop: loop)
    }

    func submit(_ pending: PendingRequest) {
        guard mailbox.add(pending) else { return }
        loop.execute { [self] in connections.value.take(mailbox.take().requests) }
    }

    func close(isAbrupt: Bool) {
        loop.execute { [connections] in connections.value.close(isAbrupt: isAbrupt) }
    }

    func closed() async {
        try? await loop.submit { [connections] in connections.value.close(isAbrupt: true) }.get()
    }
}

/// Requests from any thread for an event loop.
final class Mailbox: Sendable {
    private struct State {
        var requests: [PendingRequest] = []
        /// Some that were sent are not waited for any more.
        var hasAbandoned = false
        /// The loop has been asked to empty the mailbox and has not done so yet.
        var isAnnounced = false
    }

    private static let keptCapacity = 1024
    private let state = Mutex(State())

    /// - Returns: whether the loop has to be asked to empty the mailbox.
    func add(_ pending: PendingRequest) -> Bool {
        state.withLock { state in
            state.requests.append(pending)
            defer { state.isAnnounced = true }
            return !state.isAnnounced
        }
    }

    /// Notes that a request that was sent is not waited for any more.
    /// - Returns: as `add`.
    func abandon() -> Bool {
        state.withLock { state in
            state.hasAbandoned = true
            defer { state.isAnnounced = true }
            return !state.isAnnounced
        }
    }

    /// Empties the mailbox.
    func take() -> (requests: [PendingRequest], hasAbandoned: Bool) {
        state.withLock { state in
            state.isAnnounced = false
            defer {
                state.requests.removeAll(keepingCapacity: state.requests.capacity <= Self.keptCapacity)
                state.hasAbandoned = false
            }
            return (state.requests, state.hasAbandoned)
        }
    }
}

extension NodePool: Equatable {
    static func == (a: NodePool, b: NodePool) -> Bool { a === b }
}

/// Whether the last attempts to connect to a node succeeded. Set on the event loop of its connections, read from any
/// thread.
final class Availability: Sendable {
    private let downUntil = Atomic<UInt64>(0)
    private let address: Address
    private let logger: Logger

    init(_ address: Address, _ logger: Logger) {
        self.address = address
        self.logger = logger
    }

    var isDown: Bool {
        let until = downUntil.load(ordering: .relaxed)
        return until != 0 && NIODeadline.now() < .uptimeNanoseconds(until)
    }

    var hasFailed: Bool { downUntil.load(ordering: .relaxed) != 0 }

    /// - Parameter reason: why it is down; nil if that is only assumed until an attempt has ended.
    func down(for time: TimeAmount, _ reason: String? = nil) {
        let was = downUntil.exchange((NIODeadline.now() + time).uptimeNanoseconds, ordering: .relaxed)
        if was == 0 { logger.info("no connection to \(address): \(reason ?? "it is tried again")") }
    }

    func up() {
        if downUntil.exchange(0, ordering: .relaxed) != 0 { logger.info("\(address) is there again") }
    }
}
