import KVModel
import Logging
import NIOCore
import NIOPosix

/// Sends requests to nodes and returns their answers, and keeps the map of leaders up to date.
final class Dispatcher: Sendable {
    /// A request gives each node at least this part (one in four) of the time that it has left, before it tries the
    /// next node.
    static let leastShare = 4
    /// With less time left, no other node is asked: it would hardly answer in time, and the outcome of a change would
    /// be unknown.
    private static let leastTime = TimeAmount.milliseconds(50)

    let timeout: Duration
    let router: RequestRouter
    private let logger: Logger

    init(
        _ endpoints: [Address], _ options: KVClientOptions, _ logger: Logger, _ group: MultiThreadedEventLoopGroup
    ) {
        self.logger = logger
        let options = options.capped
        timeout = options.timeout
        let limits = ConnectionLimits(
            connections: options.connectionsPerNode, depth: options.requestsPerConnection,
            waiting: options.maximumWaiting,
            connectTimeout: TimeAmount(options.connectTimeout))
        router = RequestRouter(
            endpoints, limits: limits, followsLeaders: options.followsLeaders, group: group, logger: logger)
    }

    deinit { for pool in router.close() { pool.close(isAbrupt: true) } }

    func close() async { for pool in router.close() { await pool.closed() } }

    /// Sends a request to one node after the other, and returns the first answer that is about the request and not
    /// about the node.
    func perform(_ request: Request, timeout: Duration? = nil) async throws -> Answer {
        let deadline = NIODeadline.now() + TimeAmount(timeout?.clampedTimeout ?? self.timeout)
        var tried: [NodePool] = []
        var failures: [String] = []
        // The answer of a node that cannot execute the request now. It is returned if no other node answers.
        var lastResort: Answer?
        while let route = router.route(request, after: tried) {
            if route.wantsMap { refresh() }
            let remaining = deadline - .now()
            if let lastResort, remaining < Self.leastTime { return lastResort }
            if !failures.isEmpty, remaining <= .zero { break }
            let share = TimeAmount.nanoseconds(remaining.nanoseconds / Int64(min(route.others + 1, Self.leastShare)))
            // A node that hangs must not use up the time for asking others. But only the node that received a change
            // can say what became of it, so a change waits until the end.
            let pending = PendingRequest(
                request, sendBy: .now() + share, deadline: request.mayRepeat ? .now() + share : deadline)
            switch await pending.result(submit: route.pool.submit) {
            case .answer(let answer):
                guard answer.sendsElsewhere(request), route.others > 0 else {
                    notice(answer, request, route)
                    return answer
                }
                outdated()
                lastResort = answer
            case .lost(let reason):
                outdated()
                guard request.mayRepeat else { throw Self.unknown(.connectionLost, request, route, reason) }
                failures.append("\(route.pool.address): \(reason)")
            case .notSent(let reason):
                outdated()
                failures.append("\(route.pool.address): \(reason)")
            case .turnedAway: throw KVError.tooManyWaiting(route.pool.address)
            case .cancelled(let wasSent):
                guard wasSent, !request.mayRepeat else { throw CancellationError() }
                throw Self.unknown(.cancelled, request, route, "the task was cancelled before the answer")
            }
            tried.append(route.pool)
        }
        if let lastResort { return lastResort }
        throw KVError.unreachable(failures.isEmpty ? "there is no endpoint to ask" : failures.joined(separator: "; "))
    }

    /// Makes a call that is answered by a JSON document.
    func document<Document: Decodable>(
        _ request: Request, timeout: Duration? = nil
    ) async throws -> Document {
        let answer = try await perform(request, timeout: timeout)
        guard case .call(let message) = answer.content, message.status == 200 else {
            throw answer.failure(of: request)
        }
        guard let document = message.decoded(as: Document.self) else { throw answer.notUnderstood(request) }
        return document
    }

    private static func unknown(
        _ code: KVError.Code, _ request: Request, _ route: RequestRouter.Route, _ reason: String
    ) -> KVError {
        .unknown(
            code,
            "\(route.pool.address): \(reason); the change may have taken effect, or may yet: \(request.advice) before"
                + " you try again")
    }

    // MARK: The map

    private func notice(_ answer: Answer, _ request: Request, _ route: RequestRouter.Route) {
        guard let expected = route.expected, let slot = request.slot else {
            return router.answered(route.pool)
        }
        guard answer.node != expected, answer.isOfLeader else { return }
        router.heard(answer.node, leads: slot)
        outdated()
    }

    private func outdated() {
        router.outdate()
        refresh()
    }

    /// Fetches the map in the background, if it is outdated and the last fetch began long enough ago
    /// (`RequestRouter.refreshInterval`).
    private func refresh() {
        guard router.beginRefresh() else { return }
        Task { [self] in
            var call = HTTPCall(.get, "/v1/ring")
            call.waits = false
            let answer = try? await perform(Request(call))
            guard let answer, case .call(let message) = answer.content, message.status == 200,
                let ring = message.decoded(as: RingDocument.self)
            else { return router.couldNotRefresh() }
            router.adopt(ring, from: answer.endpoint)
            logger.debug("\(answer.endpoint) has sent the map of leaders: \(ring.nodes.count) nodes")
        }
    }
}
