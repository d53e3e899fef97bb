/// When the operations of an open loop begin: evenly spaced, from the start on, whatever becomes of those before.
///
/// An operation that cannot be sent in time is late, never left out, and its latency counts from when it was to begin.
/// So a store that stalls is charged for all who would have waited, which is what a closed loop omits.
struct Schedule: Sendable {
    private let start: UInt64
    /// Nanoseconds.
    private let interval: Double
    private var taken = 0

    /// - Parameters:
    ///   - rate: operations a second, above 0.
    ///   - start: nanoseconds of the clock that the others are given by.
    ///   - offset: in `0 ..< 1`, of the interval: the threads of a generator take turns.
    init(rate: Double, start: UInt64, offset: Double = 0) {
        interval = 1e9 / rate
        self.start = start &+ UInt64(min(offset * interval, 1e18))
    }

    /// When the next operation is to begin, or was.
    var next: UInt64 { start &+ UInt64(min(Double(taken) * interval, 1e18)) }

    /// Takes the next operation, if it is due; when it was to begin.
    mutating func take(now: UInt64) -> UInt64? {
        let next = next
        guard next <= now else { return nil }
        taken += 1
        return next
    }

    /// Operations that are due and not taken.
    func backlog(now: UInt64) -> Int {
        guard now >= start else { return 0 }
        return max(Int(Double(now - start) / interval) + 1 - taken, 0)
    }
}
