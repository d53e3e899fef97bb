import Histogram

/// What a phase came to.
struct Figures: Sendable {
    var recorder = Recorder()
    /// Operations done a second, while operations were begun; those that ended later are only in `recorder`.
    var throughput = 0.0
    /// Of that time.
    var seconds = 0.0
    /// Operations of an open loop that were due and never begun.
    var backlog = 0

    /// Of another thread, at the same time.
    mutating func add(_ other: Self) {
        recorder.add(other.recorder)
        throughput += other.throughput
        seconds = max(seconds, other.seconds)
        backlog += other.backlog
    }
}

/// The time in which operations are begun, and what was done in it.
struct Window: Sendable {
    /// Since when operations count, in nanoseconds.
    private var from: UInt64
    private var end: (until: UInt64, done: Int, backlog: Int)?
    private(set) var isOpen = true

    /// Nanoseconds. What is due for less is not behind, it is about to begin.
    private static let grace: UInt64 = 10_000_000

    init(from: UInt64) { self.from = from }

    /// What was done before does not count.
    mutating func restart(now: UInt64) { from = now }

    /// There are no more operations: it lasts until the last of them has ended.
    mutating func exhaust() { isOpen = false }

    /// Time is up.
    mutating func close(now: UInt64, _ recorder: Recorder, _ schedule: Schedule?) {
        guard isOpen else { return }
        isOpen = false
        end = (now, recorder.done, schedule?.backlog(now: now > Self.grace ? now - Self.grace : 0) ?? 0)
    }

    /// - Parameter now: when the last operation has ended.
    func figures(_ recorder: Recorder, now: UInt64) -> Figures {
        let (until, done, backlog) = end ?? (now, recorder.done, 0)
        let seconds = Double(until > from ? until - from : 0) / 1e9
        return Figures(
            recorder: recorder, throughput: seconds > 0 ? Double(done) / seconds : 0, seconds: seconds,
            backlog: backlog)
    }
}

/// What was done since it was last asked for.
package struct Interval: Sendable {
    /// Of all kinds, in nanoseconds.
    package internal(set) var latencies = Recorder.histogram()
    package internal(set) var failed = 0

    mutating func add(_ other: Self) {
        latencies.add(other.latencies)
        failed += other.failed
    }
}

/// Drives the store, over however many threads.
protocol LoadEngine: Sendable {
    /// Until its end, or `stop`.
    func run(_ phase: Phase) async -> Figures

    /// No more operations are begun.
    func stop()

    func takeInterval() async -> Interval

    func close() async
}
