import KVModel
import NIOCore
import NIOPosix

/// Brings requests to nodes and their answers back, and keeps the map of leaders.
final class Dispatcher: Sendable {
    /// Of what is left of its time, no request gives less than this part to a node before it tries the next.
    private static let leastShare = 4
    /// Asking another node in less time would only leave its outcome in doubt.
    private static let leastTime = TimeAmount.milliseconds(50)

    let timeout: Duration
    let router: RequestRouter

    init(_ endpoints: [Address], _ options: KVClientOptions) {
        let options = options.capped
        timeout = options.timeout
        let limits = ConnectionLimits(
            connections: options.connectionsPerNode, depth: options.pipelineDepth, waiting: options.maximumWaiting,
            connectTimeout: TimeAmount(options.connectTimeout))
        router = RequestRouter(
            endpoints, limits: limits, followsLeaders: options.followsLeaders,
            group: MultiThreadedEventLoopGroup.singleton)
    }

    deinit { for pool in router.close() { pool.close(isAbrupt: true) } }

    func close() async { for pool in router.close() { await pool.closed() } }

    /// The answer of the first node that can be asked.
    func perform(_ request: Request, timeout: Duration? = nil) async throws(KVClientError) -> Answer {
        let deadline = NIODeadline.now() + TimeAmount(timeout?.clampedTimeout ?? self.timeout)
        var tried: [NodePool] = []
        var failures: [String] = []
        // Of a node that can do nothing now: what it says is better than nothing.
        var lastResort: Answer?
        while let route = router.route(request, after: tried) {
            if route.wantsMap { refresh() }
            let remaining = deadline - .now()
            if let lastResort, remaining < Self.leastTime { return lastResort }
            if !failures.isEmpty, remaining <= .zero { break }
            let share = TimeAmount.nanoseconds(remaining.nanoseconds / Int64(min(route.others + 1, Self.leastShare)))
            // A node that hangs must not use up the time of those that would know; but whoever may have begun a change
            // is the only one to tell of it.
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
                guard request.mayRepeat else { throw Self.unknown(request, route, reason) }
                failures.append("\(route.pool.address): \(reason)")
            case .notSent(let reason):
                outdated()
                failures.append("\(route.pool.address): \(reason)")
            case .turnedAway: throw .tooManyWaiting(route.pool.address)
            case .cancelled(let wasSent):
                guard wasSent, !request.mayRepeat else { throw .cancelled }
                throw Self.unknown(request, route, "the task was cancelled before the answer")
            }
            tried.append(route.pool)
        }
        if let lastResort { return lastResort }
        throw .unreachable(failures.isEmpty ? "there is no endpoint to ask" : failures.joined(separator: "; "))
    }

    private static func unknown(_ request: Request, _ route: RequestRouter.Route, _ reason: String) -> KVClientError {
        .unknown(
            "\(route.pool.address): \(reason); the change may have taken effect, or may yet: \(request.advice) before"
                + " you try again")
    }

    // MARK: The map

    private func notice(_ answer: Answer, _ request: Request, _ route: RequestRouter.Route) {
        guard let expected = route.expected, let slot = request.slot else {
            return router.answered(route.pool)
        }
        guard answer.message.node != expected, answer.isOfLeader else { return }
        router.heard(answer.message.node, leads: slot)
        outdated()
    }

    private func outdated() {
        router.outdate()
        refresh()
    }

    /// Fetches the map in the background, if it is outdated: at once, or with an operation some time after the last
    /// fetch.
    private func refresh() {
        guard router.beginRefresh() else { return }
        Task { [self] in
            var request = Request(.get, path: "/v1/ring")
            request.waits = false
            request.isAboutCluster = true
            let answer = try? await perform(request)
            guard let answer, answer.status == 200, let ring = answer.decoded(as: RingDocument.self) else {
                return router.couldNotRefresh()
            }
            router.adopt(ring, from: answer.endpoint)
        }
    }
}
