/// Holds an opinion on which peers can be talked to: a peer is up while its link stands and it is heard from.
///
/// Every node sends a heartbeat each half probe interval, and is heard in whatever else it sends, too. Silence for more
/// than one and a half intervals is death, so a stopped process is passed over within two; a link that is reset is death
/// at once. It only informs: no promise of the store depends on its being right.
///
/// A node that was itself paused finds all its peers silent. As in Lifeguard (Dadgar, Phillips and Currey, 2017), it
/// suspects itself first: a late tick gives everyone an interval's grace, a bounded number of times in a row for one peer.
public struct HeartbeatDetector: Sendable {
    /// What the caller is to perform, in order; it empties the array.
    public var effects: [DetectorEffect] = []
    public let probeInterval: Span

    /// Late ticks that may excuse one peer's silence in a row.
    public static let maximumExcuses = 3

    /// Ascending by number, so that the same inputs give the same effects in the same order.
    private var peers: [Peer] = []
    private var lastTick: Instant
    private var nextHeartbeat: Instant
    /// Nobody is condemned before.
    private var graceUntil: Instant

    private struct Peer: Sendable {
        var number: NodeNumber
        var boot: UInt64
        var hasLink: Bool
        var isUp: Bool
        var lastHeard: Instant
        /// Since it was last heard; at most `maximumExcuses`.
        var excuses = 0
    }

    /// - Parameter probeInterval: the configuration's `failure.probe_interval`.
    public init(probeInterval: Span, now: Instant) {
        self.probeInterval = probeInterval
        lastTick = now
        nextHeartbeat = now
        graceUntil = now
    }

    /// How often to give `tick` at least: a silence is noticed that much late.
    public var tickInterval: Span { Span(nanoseconds: max(probeInterval.nanoseconds / 8, 1)) }

    /// The longest silence of a peer that is up.
    public var patience: Span {
        let (sum, overflow) = probeInterval.nanoseconds.addingReportingOverflow(probeInterval.nanoseconds / 2)
        return Span(nanoseconds: overflow ? .max : sum)
    }

    /// Up, as `effects` last told. A peer never linked is not.
    public func isUp(_ peer: NodeNumber) -> Bool { index(of: peer).map { peers[$0].isUp } ?? false }

    /// A connection to `peer` stands, whose process has the boot counter `boot`.
    public mutating func linkUp(_ peer: NodeNumber, boot: UInt64, now: Instant) {
        let index = index(of: peer) ?? insert(peer, now: now)
        let isNews = !peers[index].isUp || peers[index].boot != boot
        peers[index].boot = boot
        peers[index].hasLink = true
        hear(index, now)
        guard isNews else { return }
        peers[index].isUp = true
        effects.append(.up(peer, boot: boot))
    }

    /// The connection to `peer` was closed or reset.
    public mutating func linkDown(_ peer: NodeNumber, now: Instant) {
        guard let index = index(of: peer) else { return }
        peers[index].hasLink = false
        condemn(index)
    }

    /// Anything came from `peer`.
    public mutating func heard(_ peer: NodeNumber, now: Instant) {
        // Without a link it cannot be answered, however alive it is.
        guard let index = index(of: peer) else { return }
        hear(index, now)
        guard peers[index].hasLink, !peers[index].isUp else { return }
        peers[index].isUp = true
        effects.append(.up(peer, boot: peers[index].boot))
    }

    /// Time has passed.
    public mutating func tick(now: Instant) {
        let isLate = now - lastTick > probeInterval
        lastTick = now
        if isLate { graceUntil = now + probeInterval }
        for index in peers.indices where peers[index].isUp && now - peers[index].lastHeard > patience {
            if isLate && peers[index].excuses < Self.maximumExcuses {
                peers[index].excuses += 1
            } else if now >= graceUntil || isLate {
                condemn(index)
            }
        }
        guard now >= nextHeartbeat else { return }
        nextHeartbeat = now + Span(nanoseconds: probeInterval.nanoseconds / 2)
        effects.append(.sendHeartbeats)
    }

    private mutating func hear(_ index: Int, _ now: Instant) {
        peers[index].lastHeard = max(peers[index].lastHeard, now)
        peers[index].excuses = 0
    }

    private mutating func condemn(_ index: Int) {
        guard peers[index].isUp else { return }
        peers[index].isUp = false
        effects.append(.down(peers[index].number))
    }

    private func index(of peer: NodeNumber) -> Int? { peers.firstIndex { $0.number == peer } }

    private mutating func insert(_ peer: NodeNumber, now: Instant) -> Int {
        let index = peers.firstIndex { $0.number > peer } ?? peers.count
        peers.insert(Peer(number: peer, boot: 0, hasLink: false, isUp: false, lastHeard: now), at: index)
        return index
    }
}

/// What a failure detector asks of the code around it.
public enum DetectorEffect: Hashable, Sendable {
    /// The peer can be talked to. `boot` is its process's boot counter; told again when that changes.
    case up(NodeNumber, boot: UInt64)
    case down(NodeNumber)
    /// Send a heartbeat to every peer.
    case sendHeartbeats
}
