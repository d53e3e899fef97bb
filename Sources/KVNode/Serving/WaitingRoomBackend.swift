import KVAPI
import KVCore
import NIOCore

/// Tells the clients of a node that waits to be admitted that it does.
final class WaitingRoomBackend: Backend {
    let nodeID: String
    let limits: RequestLimits
    let health: Health
    private let advice: String

    var settings: ClusterSettings? { nil }
    var usage: NodeUsage { NodeUsage(holding: PartitionUsage()) }

    /// - Parameter advice: why it cannot serve, and what to do.
    init(nodeID: String, limits: RequestLimits, advice: String) {
        self.nodeID = nodeID
        self.limits = limits
        self.advice = advice
        health = .notReady(advice)
    }

    let foundingSlots = SlotMap(founding: 1)

    func execute(_ request: Request) {
        request.end(.refused(.notMember), by: NodeNumber(0))
        request.executorID = nodeID
        request.eventLoopCaller.loop.execute { request.eventLoopCaller.ended(request) }
    }

    func list(
        _ query: ListRequest, on loop: any EventLoop,
        reply: @escaping @Sendable (Result<ListReply, ListFailure>) -> Void
    ) {
        loop.execute { reply(.failure(ListFailure(refusal: .notMember))) }
    }

    func count(
        _ scope: KeyScope, timeout: Nanoseconds, on loop: any EventLoop,
        reply: @escaping @Sendable (Result<Int, ListFailure>) -> Void
    ) {
        loop.execute { reply(.failure(ListFailure(refusal: .notMember))) }
    }

    func view(on loop: any EventLoop, reply: @escaping @Sendable (ClusterView?) -> Void) {
        loop.execute { reply(nil) }
    }

    func load(
        over span: Nanoseconds, on loop: any EventLoop, reply: @escaping @Sendable (LoadReply) -> Void
    ) {
        loop.execute { reply(.refused(.notMember)) }
    }

    func control(
        _ request: ControlRequest, timeout: Nanoseconds, on loop: any EventLoop,
        reply: @escaping @Sendable (ControlReply) -> Void
    ) {
        let reason = "\(nodeID) is no member itself: \(advice); ask a member"
        loop.execute { reply(.refused(.noCoordinator, reason)) }
    }
}
