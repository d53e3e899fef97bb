import Glibc
import KVCore

/// The machine's clocks, read in one place. Records expire by `NodeClock`.
enum Clock {
    static var machine: Now { Now(monotonic: monotonic, wall: machineWall) }

    /// It counts the time for which the machine is suspended: what other nodes were promised goes on passing then.
    static var monotonic: Instant { Instant(nanoseconds: read(CLOCK_BOOTTIME)) }

    /// The machine's time of day in milliseconds since 1970, UTC. It goes back when somebody sets it back.
    static var machineWall: UInt64 { read(CLOCK_REALTIME) / 1_000_000 }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        guard clock_gettime(clock, &time) == 0, time.tv_sec >= 0 else { return 0 }
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
