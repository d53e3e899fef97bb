import KVWire
import NIOCore
import NIOPosix
import Synchronization

/// Holds the present topology's policy. It is replaced when the topology changes, and asked at each handshake.
package final class PolicyBox: Sendable {
    private let policy: Mutex<PeerPolicy>
    private let pool: NIOThreadPool

    /// - Parameter pool: runs checks that block.
    package init(_ policy: PeerPolicy, pool: NIOThreadPool = .singleton) {
        self.policy = Mutex(policy)
        self.pool = pool
    }

    /// The result of a check.
    enum Verdict {
        /// The check is done; nil: the peer is accepted.
        case known(Objection?)
        /// Another thread checks, since the peer's start has to be written to disk first.
        case later(EventLoopFuture<Objection?>)
    }

    /// Checks a peer without ever blocking the event loop.
    func verdict(
        on peer: Introduction, loop: any EventLoop, _ objection: @escaping @Sendable (PeerPolicy) -> Objection?
    ) -> Verdict {
        let policy = current
        guard policy.blocks(peer) else { return .known(objection(policy)) }
        return .later(
            pool.runIfActive(eventLoop: loop) { objection(policy) }
                .flatMapErrorThrowing { _ in Objection(stringLiteral: "this node is stopping") })
    }

    /// This node's present introduction, for a peer that speaks `version`.
    func introduction(in version: UInt16) -> Introduction {
        var introduction = current.introduction
        introduction.wall = Clock.machineWall
        return introduction.spoken(version)
    }

    package var current: PeerPolicy { policy.withLock { $0 } }

    func replace(_ change: (inout PeerPolicy) -> Void) { policy.withLock { change(&$0) } }
}
