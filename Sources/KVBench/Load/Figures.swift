import Histogram

/// The results of a phase.
struct Figures: Sendable {
    var recorder = Recorder()
    /// Operations that were done per second while operations were begun. Those that ended later are only in `recorder`.
    var throughput = 0.0
    /// The length of that time in seconds.
    var seconds = 0.0
    /// The number of operations of an open loop that were due and never begun.
    var backlog = 0

    /// Adds the results of another thread for the same time.
    mutating func add(_ other: Self) {
        recorder.add(other.recorder)
        throughput += other.throughput
        seconds = max(seconds, other.seconds)
        backlog += other.backlog
    }
}

/// The time in which operations are begun, and the number of those that were done in it.
struct Window: Sendable {
    /// The time from which operations count, in nanoseconds.
    private var from: UInt64
    private var end: (until: UInt64, done: Int, backlog: Int)?
    private(set) var isOpen = true

    /// An operation that has been due for less than this (in nanoseconds) is not in the backlog: it is about to begin.
    private static let grace: UInt64 = 10_000_000

    init(from: UInt64) { self.from = from }

    /// Begins the window again: what was done before does not count.
    mutating func restart(now: UInt64) { from = now }

    /// Called when there are no more operations. The window lasts until the last of them has ended.
    mutating func exhaust() { isOpen = false }

    /// Ends the window: time is up.
    mutating func close(now: UInt64, _ recorder: Recorder, _ schedule: Schedule?) {
        guard isOpen else { return }
        isOpen = false
        end = (now, recorder.done, schedule?.backlog(now: now > Self.grace ? now - Self.grace : 0) ?? 0)
    }

    /// - Parameter now: the time at which the last operation ended.
    func figures(_ recorder: Recorder, now: UInt64) -> Figures {
        let (until, done, backlog) = end ?? (now, recorder.done, 0)
        let seconds = Double(until > from ? until - from : 0) / 1e9
        return Figures(
            recorder: recorder, throughput: seconds > 0 ? Double(done) / seconds : 0, seconds: seconds,
            backlog: backlog)
    }
}

/// The operations that were done since the last interval was taken.
package struct Interval: Sendable {
    /// The latencies of operations of all kinds, in nanoseconds.
    package internal(set) var latencies = Recorder.histogram()
    package internal(set) var failed = 0

    mutating func add(_ other: Self) {
        latencies.add(other.latencies)
        failed += other.failed
    }
}

/// Puts the store under load, from one thread or several.
protocol LoadEngine: Sendable {
    /// Runs a phase until its end, or until `stop`.
    func run(_ phase: Phase) async -> Figures

    /// Begins no more operations.
    func stop()

    func takeInterval() async -> Interval

    func close() async
}
