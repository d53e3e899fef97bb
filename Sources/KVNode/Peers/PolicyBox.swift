import KVWire
import NIOCore
import NIOPosix
import Synchronization

/// Holds the policy of the topology gone by at present: replaced as that changes, asked at each handshake.
package final class PolicyBox: Sendable {
    private let policy: Mutex<PeerPolicy>
    private let pool: NIOThreadPool

    /// - Parameter pool: runs what blocks.
    package init(_ policy: PeerPolicy, pool: NIOThreadPool = .singleton) {
        self.policy = Mutex(policy)
        self.pool = pool
    }

    /// What becomes of who says this of itself.
    enum Verdict {
        /// Nil: it is welcome.
        case known(Objection?)
        /// It has to be written down first, by another thread.
        case later(EventLoopFuture<Objection?>)
    }

    /// Asks the policy about a peer, without ever blocking the event loop.
    func verdict(
        on peer: Introduction, loop: any EventLoop, _ objection: @escaping @Sendable (PeerPolicy) -> Objection?
    ) -> Verdict {
        let policy = current
        guard policy.blocks(peer) else { return .known(objection(policy)) }
        return .later(
            pool.runIfActive(eventLoop: loop) { objection(policy) }
                .flatMapErrorThrowing { _ in Objection(stringLiteral: "this node is stopping") })
    }

    /// What this node says of itself, now, to a peer that speaks `version`.
    func introduction(in version: UInt16) -> Introduction {
        var introduction = current.introduction
        introduction.wall = Clock.machineWall
        return introduction.spoken(version)
    }

    package var current: PeerPolicy { policy.withLock { $0 } }

    func replace(_ change: (inout PeerPolicy) -> Void) { policy.withLock { change(&$0) } }
}
