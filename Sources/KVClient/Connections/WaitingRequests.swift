import NIOCore

/// Requests that wait for a connection to a node, the oldest first. Belongs to an event loop.
final class WaitingRequests {
    private let loop: any EventLoop
    private let limit: Int
    /// Why a request that has waited too long has: asked when one has.
    var lateReason: () -> String = { "" }
    /// Called after requests that have waited too long were ended.
    var onSweep: () -> Void = {}
    private var requests = CircularBuffer<PendingRequest>()
    /// Ends requests that have waited too long.
    private let timer = DeadlineTimer()

    /// The least time between two passes over all requests that wait.
    private static let sweepInterval = TimeAmount.milliseconds(5)

    init(limit: Int, loop: any EventLoop) {
        self.limit = limit
        self.loop = loop
    }

    var count: Int { requests.count }
    var isEmpty: Bool { requests.isEmpty }

    func append(_ pending: PendingRequest) { requests.append(pending) }

    /// Turns away the newest that are over the limit, and sees to it that those that are left end in time.
    /// - Parameter earliest: when the first of those that were added last must have been sent.
    func settle(_ earliest: NIODeadline) {
        while requests.count > limit, let pending = requests.popLast() { pending.end(.turnedAway) }
        if !requests.isEmpty { arm(earliest) }
    }

    /// Takes the first request that is still to be sent; nil if there is none.
    func takeFirst(now: NIODeadline) -> PendingRequest? {
        while let pending = requests.popFirst() {
            if pending.sendBy <= now {
                pending.end(.notSent(lateReason()))
            } else if !pending.isOver {
                return pending
            }
        }
        return nil
    }

    /// Ends all of them as not sent.
    func fail(_ reason: String) {
        while let pending = requests.popFirst() { pending.end(.notSent(reason)) }
    }

    func takeAll() -> [PendingRequest] {
        defer { requests.removeAll() }
        return Array(requests)
    }

    func close(_ reason: String) {
        timer.cancel()
        fail(reason)
    }

    private func arm(_ deadline: NIODeadline) {
        timer.arm(deadline, on: loop) { [self] in sweep() }
    }

    private func sweep() {
        let now = NIODeadline.now()
        let reason = lateReason()
        requests.removeAll { pending in
            guard pending.sendBy <= now else { return pending.isOver }
            pending.end(.notSent(reason))
            return true
        }
        let next = now + Self.sweepInterval
        for pending in requests { arm(max(pending.sendBy, next)) }
        onSweep()
    }
}
