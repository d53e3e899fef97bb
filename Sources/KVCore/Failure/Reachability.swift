/// Decides which members are in touch, that is, can be talked to in both directions.
///
/// This node's own link to a peer must stand, so that messages arrive there, and the peer must be heard, so that
/// answers arrive here. A link that is reset counts at once: a killed process is passed over long before a failure
/// detector notices. Every member sends heartbeats over its links, so silence counts after `silence`; and where
/// heartbeats come, they outweigh the failure detector, whose datagrams a firewall may hold back. For peers that send
/// none (those of the previous version) the failure detector decides.
///
/// In large clusters heartbeats are rare between nodes that do not attend to each other (`HeartbeatPace`), and silence
/// counts the later. A node attends to a peer while it has something to do with it, and where the failure detector or
/// another node doubts that the peer runs.
package struct Reachability: Sendable {
    /// A peer that sends heartbeats and has not been heard for so long, five heartbeats, is out of touch.
    package static let silence = Nanoseconds.milliseconds(1500)
    /// A peer that has not been heard for so long although this node attends to it: other nodes are told to do so, too.
    static let doubt = Nanoseconds.milliseconds(600)
    /// How long a node attends to a peer after the last reason to do so.
    package static let attention = Nanoseconds.milliseconds(10_000)
    /// A peer that was heard so lately is vouched for to the failure detector, which is to be told as often.
    package static let lately = Nanoseconds.milliseconds(500)
    /// More time than this between two calls is this node's own lateness: messages that peers have sent meanwhile wait
    /// to be read.
    static let maximumStep = Nanoseconds.milliseconds(250)

    /// What the caller is to perform, in order; it empties the array.
    package var effects: [ReachabilityEffect] = []

    /// How often peers send heartbeats that are not attended to.
    package var pace = HeartbeatPace(members: 1) {
        // The next tick looks at all peers.
        didSet { nextLook = Instant(nanoseconds: 0) }
    }

    private var members: [NodeNumber: State] = [:]
    private var clock: OwnClock
    /// No silence lasts too long before this time, by `clock`, and no attention ends. Whatever is heard meanwhile only
    /// moves that.
    private var nextLook = Instant(nanoseconds: 0)

    private struct State: Sendable {
        /// The boot counter of the process at the other end of the link; nil without a link.
        var link: UInt64?
        /// It sends heartbeats.
        var beats = false
        /// When it was last heard, by this node's `clock`.
        var heard: Instant
        /// It was out of touch because of its silence, and has not been heard twice since within `silence`. A single
        /// heartbeat says little where they are rare: the peer may not hear that this node attends to it.
        var isSilent = false
        var liveness = Liveness.alive
        /// This node attends to the peer until then. Nil if it does not.
        var attendedUntil: Instant?
        /// Since when silence counts. That is later than `heard` if heartbeats were rare until then.
        var awaited: Instant
        /// Others were told to attend to the peer at this time, or have told this node to.
        var doubted: Instant?
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

    package func holdsAlive(_ node: NodeNumber) -> Bool { members[node]?.liveness ?? .alive == .alive }

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
            if $0.link != boot {
                $0.heard = time
                $0.awaited = time
                $0.isSilent = false
            }
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
        if state.isSilent, !pace.isReduced || clock.time - state.heard < Self.silence {
            members[node]?.isSilent = false
        }
        members[node]?.heard = clock.time
        // It may be up again.
        if state.up == nil { change(node) { _ in } }
    }

    /// The failure detector's status of a peer changed. A peer that it has said nothing of counts as alive.
    package mutating func liveness(_ node: NodeNumber, _ liveness: Liveness) { change(node) { $0.liveness = liveness } }

    /// This node has something to do with a peer, or the peer may not be well.
    /// - Parameter isDoubted: another node has been waiting for the peer for `doubt`.
    package mutating func attend(_ node: NodeNumber, isDoubted: Bool = false, now: Instant) {
        // In small clusters heartbeats come as often as they can anyway.
        guard pace.isReduced, let state = members[node] else { return }
        advance(now, isTick: false)
        let time = clock.time
        change(node) {
            $0.attendedUntil = time + Self.attention
            if isDoubted { $0.doubted = time }
            guard state.attendedUntil == nil, state.up != nil else { return }
            // What the other node has waited counts as if this node had.
            let waited = isDoubted ? min(Self.doubt.nanoseconds, time.nanoseconds) : 0
            $0.awaited = max($0.heard, Instant(nanoseconds: time.nanoseconds - waited))
        }
        if state.attendedUntil == nil { effects.append(.attention(node, true)) }
    }

    /// Time has passed: to be given a few times in `silence`.
    package mutating func tick(now: Instant) {
        advance(now, isTick: true)
        guard clock.time >= nextLook else { return }
        for (node, state) in members.sorted(by: { $0.key < $1.key }) {
            if let until = state.attendedUntil { review(node, state, until: until) }
            if state.up != nil, state.beats { change(node) { _ in } }
        }
        nextLook = members.values.lazy.map(nextDecision).min() ?? .distantFuture
    }

    /// When a tick has something to decide about a peer, unless something else happens to it before.
    private func nextDecision(_ state: State) -> Instant {
        var next = state.attendedUntil ?? .distantFuture
        guard state.up != nil, state.beats else { return next }
        let counted = max(state.heard, state.awaited)
        next = min(next, counted + patience(state))
        guard state.attendedUntil != nil else { return next }
        let doubtful = counted + Self.doubt
        return min(next, max(doubtful, state.doubted.map { $0 + Self.attention } ?? doubtful))
    }

    /// Ends the attention to a peer when there is no reason for it any more; otherwise tells others of a doubt.
    private mutating func review(_ node: NodeNumber, _ state: State, until: Instant) {
        let time = clock.time
        guard pace.isReduced, time < until else {
            members[node]?.attendedUntil = nil
            return effects.append(.attention(node, false))
        }
        guard state.up != nil, state.beats, time - max(state.heard, state.awaited) >= Self.doubt,
            state.doubted.map({ time - $0 >= Self.attention }) ?? true
        else { return }
        members[node]?.doubted = time
        effects.append(.doubt(node))
    }

    /// How long the peer may be silent before it is out of touch.
    private func patience(_ state: State) -> Nanoseconds {
        state.attendedUntil == nil ? pace.stretched(Self.silence) : Self.silence
    }

    /// Whether nothing has come from a peer for so long that it is out of touch, or would be.
    package func isSilent(_ node: NodeNumber) -> Bool {
        members[node].map { clock.time - max($0.heard, $0.awaited) >= patience($0) } ?? true
    }

    /// The node is no member any more.
    package mutating func forget(_ node: NodeNumber) {
        linkDown(node)
        members[node] = nil
    }

    private mutating func advance(_ now: Instant, isTick: Bool) { _ = clock.advance(to: now, isTick: isTick) }

    private mutating func change(_ node: NodeNumber, _ change: (inout State) -> Void) {
        var state = members[node, default: State(heard: clock.time, awaited: clock.time)]
        change(&state)
        let silentFor = clock.time - max(state.heard, state.awaited)
        if state.beats, state.up != nil, silentFor >= patience(state) { state.isSilent = true }
        let isWell = state.beats ? silentFor < patience(state) && !state.isSilent : state.liveness == .alive
        let target = isWell ? state.link : nil
        if target != state.up {
            // Another process: messages to the one before are lost, and that must be told.
            if state.up != nil { effects.append(.down(node)) }
            if let target { effects.append(.up(node, boot: target)) }
            state.up = target
        }
        members[node] = state
        nextLook = min(nextLook, nextDecision(state))
    }
}

/// What follows from a change of reachability.
package enum ReachabilityEffect: Hashable, Sendable {
    /// It can be talked to. `boot` is its process's boot counter.
    case up(NodeNumber, boot: UInt64)
    case down(NodeNumber)
    /// This node attends to the peer from now on, or does so no more.
    case attention(NodeNumber, Bool)
    /// All other members are to be told to attend to the peer.
    case doubt(NodeNumber)
}
