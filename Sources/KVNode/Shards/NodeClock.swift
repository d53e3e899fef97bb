import KVCore
import Synchronization

/// The time of day that a node goes by: its shards, what it tells clients of lifetimes, and everything else but its
/// log.
///
/// `WallClock` decides how far that is ahead of the monotonic clock, ten times a second. In between the time is one
/// look at the monotonic clock, and the latest time that anybody was told, so that it goes back for nobody, on whatever
/// thread.
final class NodeClock: Sendable {
    private let clock: Mutex<WallClock>
    private let offset: Atomic<Int64>
    /// The latest time that was told. It changes once a millisecond, so that it is mostly read.
    private let told = Atomic<UInt64>(0)

    /// - Parameter others: the other members.
    init(others: some Sequence<NodeNumber>, now: Now = Clock.machine) {
        let clock = WallClock(others: others, now: now)
        offset = Atomic(clock.offset)
        self.clock = Mutex(clock)
    }

    var now: Now {
        let monotonic = Clock.monotonic
        return Now(monotonic: monotonic, wall: wall(at: monotonic))
    }

    /// Milliseconds since 1970, UTC.
    var wall: UInt64 { wall(at: Clock.monotonic) }

    /// - Parameter instant: the present one.
    func wall(at instant: Instant) -> UInt64 {
        let time = WallClock.wall(at: instant, offset: offset.load(ordering: .relaxed))
        var latest = told.load(ordering: .relaxed)
        while time > latest {
            let (exchanged, other) = told.compareExchange(expected: latest, desired: time, ordering: .relaxed)
            if exchanged { return time }
            latest = other
        }
        return latest
    }

    /// Follows the machine's clock; to be called a few times a second.
    func adjust(now: Now = Clock.machine) {
        clock.withLock {
            $0.adjust(now)
            offset.store($0.offset, ordering: .relaxed)
        }
    }

    /// A peer has said what its machine's clock shows.
    func heard(_ node: NodeNumber, wall: UInt64, now: Instant = Clock.monotonic) {
        clock.withLock {
            guard $0.heard(node, wall: wall, now: now) else { return }
            offset.store($0.offset, ordering: .relaxed)
            // What was told before counts no more, for this once.
            told.store($0.wall(at: now), ordering: .relaxed)
        }
    }

    func setOthers(_ others: some Sequence<NodeNumber>) { clock.withLock { $0.setOthers(others) } }

    /// Where the machine's clock is far from the others'.
    var disagreement: ClockDisagreement? { clock.withLock { $0.disagreement } }
}
