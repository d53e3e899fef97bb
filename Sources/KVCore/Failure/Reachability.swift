/// Decides which members are in touch, that is, can be talked to in both directions.
///
/// This node's own link to a peer must stand, so that messages arrive there, and the peer must be heard, so that
/// answers arrive here. A link that is reset counts at once: a killed process is passed over long before a failure
/// detector notices. Every member sends heartbeats over its links, so silence counts after `silence`; and where
/// heartbeats come, they outweigh the failure detector, whose datagrams a firewall may hold back. For peers that send
/// none (those of the previous version) the failure detector decides.
package struct Reachability: Sendable {
    /// A peer that sends heartbeats and has not been heard for so long, five heartbeats, is out of touch.
    package static let silence = Nanoseconds.milliseconds(1500)
    /// A peer that was heard so lately is vouched for to the failure detector, which is to be told as often.
    package static let lately = Nanoseconds.milliseconds(500)
    /// More time than this between two calls is this node's own lateness: messages that peers have sent meanwhile wait
    /// to be read.
    static let maximumStep = Nanoseconds.milliseconds(250)

    /// What the caller is to perform, in order; it empties the array.
    package var effects: [ReachabilityEffect] = []

    private var members: [NodeNumber: State] = [:]
    private var clock: OwnClock

    private struct State: Sendable {
        /// The boot counter of the process at the other end of the link; nil without a link.
        var link: UInt64?
        /// It sends heartbeats.
        var beats = false
        /// When it was last heard, by this node's `clock`.
        var heard: Instant
        var liveness = Liveness.alive
        /// The boot counter told last: that of `link`, or nil where the peer is down.
        var up: UInt64?
    }

    package init(now: Instant) { clock = OwnClock(now: now, maximumStep: Self.maximumStep) }

    /// Whether a peer is in touch, as `effects` last told.
    package func isUp(_ node: NodeNumber) -> Bool { members[node]?.up != nil }

    /// Whether a heartbeat, or anything else, has come from `node` within `span` over a connection.
    package func isHeard(_ node: NodeNumber, within span: Nanoseconds) -> Bool {
        members[node].map { $0.beats && clock.time - $0.heard < span } ?? false
    }

    /// All peers in touch with their boot counters, ascending by number.
    package var peersInTouch: [(NodeNumber, boot: UInt64)] {
        members.compactMap { node, state in state.up.map { (node, boot: $0) } }.sorted { $0.0 < $1.0 }
    }

    package func sendsHeartbeats(_ node: NodeNumber) -> Bool { members[node]?.beats ?? false }

    /// A connection to `node` stands, whose process has the boot counter `boot`.
    /// - Parameter beats: it sends heartbeats.
    package mutating func linkUp(_ node: NodeNumber, boot: UInt64, beats: Bool, now: Instant) {
        advance(now, isTick: false)
        let time = clock.time
        change(node) {
            if $0.link != boot { $0.heard = time }
            $0.link = boot
            $0.beats = beats
        }
    }

    /// The connection to `node` was closed or reset.
    package mutating func linkDown(_ node: NodeNumber) { change(node) { $0.link = nil } }

    /// Something has come from a peer.
    package mutating func heard(_ node: NodeNumber, now: Instant) {
        // Late: it has been forgotten, or no link has been up yet.
        guard let state = members[node] else { return }
        advance(now, isTick: false)
        members[node]?.heard = clock.time
        // It may be up again.
        if state.up == nil { change(node) { _ in } }
    }

    /// The failure detector's status of a peer changed. A peer that it has said nothing of counts as alive.
    package mutating func liveness(_ node: NodeNumber, _ liveness: Liveness) { change(node) { $0.liveness = liveness } }

    /// Time has passed: to be given a few times in `silence`.
    package mutating func tick(now: Instant) {
        advance(now, isTick: true)
        for (node, state) in members.sorted(by: { $0.key < $1.key }) where state.up != nil && state.beats {
            change(node) { _ in }
        }
    }

    /// The node is no member any more.
    package mutating func forget(_ node: NodeNumber) {
        linkDown(node)
        members[node] = nil
    }

    private mutating func advance(_ now: Instant, isTick: Bool) { _ = clock.advance(to: now, isTick: isTick) }

    private mutating func change(_ node: NodeNumber, _ change: (inout State) -> Void) {
        var state = members[node, default: State(heard: clock.time)]
        change(&state)
        let isWell = state.beats ? clock.time - state.heard < Self.silence : state.liveness == .alive
        let target = isWell ? state.link : nil
        if target != state.up {
            // Another process: messages to the one before are lost, and that must be told.
            if state.up != nil { effects.append(.down(node)) }
            if let target { effects.append(.up(node, boot: target)) }
            state.up = target
        }
        members[node] = state
    }
}

/// What follows from a change of reachability.
package enum ReachabilityEffect: Hashable, Sendable {
    /// It can be talked to. `boot` is its process's boot counter.
    case up(NodeNumber, boot: UInt64)
    case down(NodeNumber)
}
