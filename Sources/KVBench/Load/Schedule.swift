/// The times at which the operations of an open loop are due: evenly spaced from the start on, whether or not earlier
/// operations have ended.
///
/// An operation that cannot be sent in time is sent late, never left out, and its latency counts from the time at which
/// it was due. So a stall of the store shows in the latencies of all operations that it delays. A closed loop would not
/// begin them ("coordinated omission").
struct Schedule: Sendable {
    private let start: UInt64
    /// The time between two operations, in nanoseconds.
    private let interval: Double
    private var taken = 0

    /// - Parameters:
    ///   - rate: the number of operations per second, above 0.
    ///   - start: the time of the first operation if `offset` is 0, in nanoseconds of `Clock`.
    ///   - offset: the part of an interval, in `0 ..< 1`, by which this thread begins later: the threads take turns.
    init(rate: Double, start: UInt64, offset: Double = 0) {
        interval = 1e9 / rate
        self.start = start &+ UInt64(min(offset * interval, 1e18))
    }

    /// The time at which the next operation is, or was, due.
    var next: UInt64 { start &+ UInt64(min(Double(taken) * interval, 1e18)) }

    /// Takes the next operation and returns the time at which it was due; nil if it is not due yet.
    mutating func take(now: UInt64) -> UInt64? {
        let next = next
        guard next <= now else { return nil }
        taken += 1
        return next
    }

    /// Takes the next `count` operations at once, due or not.
    mutating func skip(_ count: Int) { taken += count }

    /// The number of operations that are due and have not been taken.
    func backlog(now: UInt64) -> Int {
        guard now >= start else { return 0 }
        return max(Int(Double(now - start) / interval) + 1 - taken, 0)
    }
}
