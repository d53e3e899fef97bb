/// The time of day by which a node's records expire: the machine's clock, but for two things.
///
/// It never goes back. A machine's clock does, when it is set; a record that was there to nobody would be there again.
/// And it keeps to what the clocks of a majority of the members show: where the machine's own is ahead of that, or
/// behind, by more than `limit`, the time goes by theirs. A node whose clock is an hour ahead would otherwise delete
/// what has an hour to live, wherever it leads; one whose clock is an hour behind would give records lifetimes that are
/// over when another node leads.
///
/// Every clock is kept as how far it is ahead of this node's monotonic one. So what a peer has said once goes on to be
/// true while the clocks run at one rate, and setting a clock is the only thing that changes anything.
package struct WallClock: Sendable {
    /// How far from the majority's clocks a node's time may be. Well above what heartbeats are late, and what clocks
    /// that are kept differ by; below the lifetimes that people give to locks.
    package static let limit = Nanoseconds.milliseconds(10_000)
    /// A clock that has been set back is waited for by running slower by one part in so many. Standing still would keep
    /// records for as long as the step was; running on would never be right again.
    static let slowing: Int64 = 10
    /// Nanoseconds. Wall clocks are told in whole milliseconds, so less than this is no difference.
    private static let resolution: Int64 = 1_000_000

    private let limit: Int64
    /// How far the time is ahead of the monotonic clock, in nanoseconds; so the machine's own clock; and those of the
    /// other members, as far as they have said.
    package private(set) var offset: Int64
    private var own: Int64
    private var peers: [NodeNumber: Int64] = [:]
    private var others: Set<NodeNumber>
    private var adjusted: Instant
    /// No other member's clock has been known so far, and this node has never been the only member: it has led nothing
    /// that others hold as well, for want of a majority.
    private var mayBeSetBack: Bool

    /// - Parameters:
    ///   - others: the other members.
    ///   - now: by the machine's clocks.
    package init(others: some Sequence<NodeNumber>, limit: Nanoseconds = WallClock.limit, now: Now) {
        self.limit = Int64(clamping: limit.nanoseconds)
        self.others = Set(others)
        own = Self.offset(of: now.wall, at: now.monotonic)
        offset = own
        adjusted = now.monotonic
        mayBeSetBack = !self.others.isEmpty
    }

    /// The members have changed.
    package mutating func setOthers(_ others: some Sequence<NodeNumber>) {
        self.others = Set(others)
        peers = peers.filter { self.others.contains($0.key) }
        if self.others.isEmpty { mayBeSetBack = false }
    }

    /// A peer has said what its machine's clock shows, a moment ago.
    /// - Returns: whether the time may have been set back: for once, as there was nothing before to hold it against.
    package mutating func heard(_ node: NodeNumber, wall: UInt64, now: Instant) -> Bool {
        guard others.contains(node) else { return false }
        peers[node] = Self.offset(of: wall, at: now)
        guard mayBeSetBack else { return false }
        mayBeSetBack = false
        offset = target
        return true
    }

    /// To be called a few times a second.
    /// - Parameter now: by the machine's clocks.
    package mutating func adjust(_ now: Now) {
        let elapsed = Int64(clamping: (now.monotonic - adjusted).nanoseconds)
        adjusted = max(adjusted, now.monotonic)
        own = Self.offset(of: now.wall, at: now.monotonic)
        let target = target
        if target > offset {
            offset = target
        } else if offset - target > Self.resolution {
            offset -= min(offset - target, elapsed / Self.slowing)
        }
    }

    /// The time at an instant since the last adjustment; the clock must not be adjusted between two that are compared.
    package func wall(at instant: Instant) -> UInt64 { Self.wall(at: instant, offset: offset) }

    package static func wall(at instant: Instant, offset: Int64) -> UInt64 {
        UInt64(max(signed(instant) + offset, 0)) / 1_000_000
    }

    private var target: Int64 {
        let majority = majority
        return min(max(own, majority - limit), majority + limit)
    }

    /// The latest time that the clocks of a majority of the members have reached. Members that have said nothing have
    /// not reached any, but for that the earliest of the known clocks counts in any case.
    private var majority: Int64 {
        let known = (Array(peers.values) + [own]).sorted(by: >)
        let needed = (others.count + 1) / 2 + 1
        return known[min(needed, known.count) - 1]
    }

    /// How far the machine's clock is ahead of a majority's, or behind; nil where that is no more than `limit`.
    package var disagreement: ClockDisagreement? {
        let difference = own - majority
        guard abs(difference) > limit else { return nil }
        let differing = peers.filter { abs($0.value - own) > limit }.keys.sorted()
        return ClockDisagreement(milliseconds: difference / 1_000_000, peers: differing)
    }

    private static func offset(of wall: UInt64, at instant: Instant) -> Int64 {
        let (nanoseconds, overflow) = wall.multipliedReportingOverflow(by: 1_000_000)
        return (overflow ? maximum : min(Int64(clamping: nanoseconds), maximum)) - signed(instant)
    }

    private static func signed(_ instant: Instant) -> Int64 { min(Int64(clamping: instant.nanoseconds), maximum) }

    /// Clocks beyond it, the year 2096, or monotonic ones of as many years, stand still there: sums of two fit.
    private static let maximum: Int64 = 4_000_000_000_000_000_000
}

/// A machine's clock that is far from those of the other members.
package struct ClockDisagreement: Hashable, Sendable {
    /// By which the clock is ahead; negative where it is behind.
    package var milliseconds: Int64
    /// Members whose clocks differ from it by as much, ascending.
    package var peers: [NodeNumber]

    package init(milliseconds: Int64, peers: [NodeNumber]) {
        self.milliseconds = milliseconds
        self.peers = peers
    }
}
