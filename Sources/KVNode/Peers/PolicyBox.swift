import Synchronization

/// Holds the policy of the topology gone by at present: replaced as that changes, asked at each handshake.
public final class PolicyBox: Sendable {
    private let policy: Mutex<PeerPolicy>

    public init(_ policy: PeerPolicy) { self.policy = Mutex(policy) }

    public var current: PeerPolicy { policy.withLock { $0 } }

    func replace(_ change: (inout PeerPolicy) -> Void) { policy.withLock { change(&$0) } }
}
