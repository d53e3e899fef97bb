import KVCore
import Synchronization

/// The time of day of a node: of its shards, of the lifetimes that it reports to clients, and of everything else except
/// its log.
///
/// `WallClock` decides ten times a second how far this time is ahead of the monotonic clock. In between, the time is
/// computed from the monotonic clock and is at least the latest time that was returned, so that it never goes back, on
/// any thread.
final class NodeClock: Sendable {
    private let clock: Mutex<WallClock>
    private let offset: Atomic<Int64>
    /// The latest time that was returned. It changes once a millisecond, so it is mostly read.
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

    /// The time in milliseconds since 1970, UTC.
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

    /// Follows the machine's clock. Call it a few times a second.
    func adjust(now: Now = Clock.machine) {
        clock.withLock {
            $0.adjust(now)
            offset.store($0.offset, ordering: .relaxed)
        }
    }

    /// Notes the time of a peer's machine.
    func heard(_ node: NodeNumber, wall: UInt64, now: Instant = Clock.monotonic) {
        clock.withLock {
            guard $0.heard(node, wall: wall, now: now) else { return }
            offset.store($0.offset, ordering: .relaxed)
            // The first clock of another member may set the time back: what was returned before does not count.
            told.store($0.wall(at: now), ordering: .relaxed)
        }
    }

    func setOthers(_ others: some Sequence<NodeNumber>) { clock.withLock { $0.setOthers(others) } }

    /// The difference when the machine's clock is far from the others'; nil otherwise.
    var disagreement: ClockDisagreement? { clock.withLock { $0.disagreement } }
}
