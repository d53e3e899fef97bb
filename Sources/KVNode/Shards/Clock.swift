import Glibc
import KVCore

/// The machine's clocks, read in one place.
enum Clock {
    static var now: Now { Now(monotonic: monotonic, wall: wall) }

    static var monotonic: Instant { Instant(nanoseconds: read(CLOCK_MONOTONIC)) }

    /// Milliseconds since 1970, UTC.
    static var wall: UInt64 { read(CLOCK_REALTIME) / 1_000_000 }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        guard clock_gettime(clock, &time) == 0, time.tv_sec >= 0 else { return 0 }
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
