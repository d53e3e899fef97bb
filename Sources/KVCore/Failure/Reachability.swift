/// Holds an opinion on which members can be talked to: those with a standing link that the failure detector holds alive.
///
/// A link that is reset counts at once: a killed process is passed over long before the detector notices. A link that
/// stands says little, as that of a stopped process does: there the detector counts.
public struct Reachability: Sendable {
    /// What the caller is to perform, in order; it empties the array.
    public var effects: [ReachabilityEffect] = []

    private var members: [NodeNumber: State] = [:]

    private struct State: Sendable {
        /// Of the process at the other end of the link; nil without one.
        var link: UInt64?
        var liveness = Liveness.alive
        /// The boot counter told last; nil where it is down.
        var up: UInt64?
    }

    public init() {}

    /// Up, as `effects` last told.
    public func isUp(_ node: NodeNumber) -> Bool { members[node]?.up != nil }

    /// A connection to `node` stands, whose process has the boot counter `boot`.
    public mutating func linkUp(_ node: NodeNumber, boot: UInt64) { change(node) { $0.link = boot } }

    /// The connection to `node` was closed or reset.
    public mutating func linkDown(_ node: NodeNumber) { change(node) { $0.link = nil } }

    /// The failure detector's opinion changed. One it has said nothing of counts as alive.
    public mutating func liveness(_ node: NodeNumber, _ liveness: Liveness) { change(node) { $0.liveness = liveness } }

    /// It is no member any more.
    public mutating func forget(_ node: NodeNumber) {
        linkDown(node)
        members[node] = nil
    }

    private mutating func change(_ node: NodeNumber, _ change: (inout State) -> Void) {
        var state = members[node, default: State()]
        change(&state)
        let target = state.liveness == .alive ? state.link : nil
        if target != state.up {
            // Another process: what the one before was sent is lost, and that must be told.
            if state.up != nil { effects.append(.down(node)) }
            if let target { effects.append(.up(node, boot: target)) }
            state.up = target
        }
        members[node] = state
    }
}

/// What follows from a change of reachability.
public enum ReachabilityEffect: Hashable, Sendable {
    /// It can be talked to. `boot` is its process's boot counter.
    case up(NodeNumber, boot: UInt64)
    case down(NodeNumber)
}
