/// The time of day by which a node's records expire. It differs from the machine's clock in two ways.
///
/// It never goes back. A machine's clock goes back when it is set; a record that had expired for everybody would be
/// there again. And it keeps to the clocks of a majority of the members: where the machine's own clock is ahead of
/// these, or behind, by more than `limit`, the time goes by theirs. Otherwise a node whose clock is an hour ahead would
/// delete records that have an hour to live, wherever it leads; and one whose clock is an hour behind would give
/// records lifetimes that are over when another node leads.
///
/// Each clock is kept as the difference by which it is ahead of this node's monotonic one. While the clocks run at one
/// rate, the difference that a peer has told once stays true; only setting a clock changes it.
package struct WallClock: Sendable {
    /// How far from the majority's clocks a node's time may be. Well above what heartbeats are late, and what clocks
    /// that are kept differ by; below the lifetimes that people give to locks.
    package static let limit = Nanoseconds.milliseconds(10_000)
    /// To wait for a clock that has been set back, the time runs slower by one part in so many. If it stood still,
    /// records would be kept for as long as the step was; if it ran on, it would never be right again.
    static let slowing: Int64 = 10
    /// In nanoseconds. Wall clocks are told in whole milliseconds, so less than this is no difference.
    private static let resolution: Int64 = 1_000_000

    private let limit: Int64
    /// How far the time is ahead of the monotonic clock, in nanoseconds; then the same for the machine's own clock, and
    /// for the clocks of the other members as far as they have told.
    package private(set) var offset: Int64
    private var own: Int64
    private var peers: [NodeNumber: Int64] = [:]
    private var others: Set<NodeNumber>
    private var adjusted: Instant
    /// The time may be set back once: no other member's clock has been known so far, and this node has never been the
    /// only member. So it has had no majority, and has led nothing that others hold as well.
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
        // It is no member any more.
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

    /// The time at an instant since the last adjustment. Two times may be compared if there was no adjustment in
    /// between.
    package func wall(at instant: Instant) -> UInt64 { Self.wall(at: instant, offset: offset) }

    package static func wall(at instant: Instant, offset: Int64) -> UInt64 {
        UInt64(max(signed(instant) + offset, 0)) / 1_000_000
    }

    private var target: Int64 {
        let majority = majority
        return min(max(own, majority - limit), majority + limit)
    }

    /// The latest time that the clocks of a majority of the members have reached. Members that have told nothing have
    /// reached none. Where too few have told, the earliest of the known clocks counts.
    private var majority: Int64 {
        let known = (Array(peers.values) + [own]).sorted(by: >)
        let needed = (others.count + 1) / 2 + 1
        return known[min(needed, known.count) - 1]
    }

    /// By how much the machine's clock is ahead of a majority's, or behind; nil where that is no more than `limit`.
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

    /// A clock that shows a later time than this (in the year 2096), or a monotonic one of as many years, counts as
    /// showing this, so that sums of two fit.
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
