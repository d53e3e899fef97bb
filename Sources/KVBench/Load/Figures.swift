import Histogram

/// The results of a phase.
struct Figures: Sendable {
    /// Its latencies include the waits of operations of an open loop that were due and never begun.
    var recorder = Recorder()
    /// Operations that were done per second while operations were begun. Those that ended later are only in `recorder`.
    var throughput = 0.0
    /// The length of that time in seconds.
    var seconds = 0.0

    /// Adds the results of another thread for the same time.
    mutating func add(_ other: Self) {
        recorder.add(other.recorder)
        throughput += other.throughput
        seconds = max(seconds, other.seconds)
    }
}

/// The time in which operations are begun, and the number of those that were done in it.
struct Window: Sendable {
    /// The time from which operations count, in nanoseconds.
    private var from: UInt64
    private var end: (until: UInt64, done: Int, backlog: Backlog?)?
    private(set) var isOpen = true

    /// An operation that has been due for less than this (in nanoseconds) is not in the backlog: it is about to begin.
    private static let grace: UInt64 = 10_000_000

    init(from: UInt64) { self.from = from }

    /// Begins the window again: what was done before does not count.
    mutating func restart(now: UInt64) { from = now }

    /// Called when there are no more operations. The window lasts until the last of them has ended.
    mutating func exhaust() { isOpen = false }

    /// Ends the window: time is up.
    /// - Parameters:
    ///   - schedule: that of an open loop.
    ///   - source: what would have been begun next.
    mutating func close(now: UInt64, _ recorder: Recorder, _ schedule: Schedule?, _ source: any OperationSource) {
        guard isOpen else { return }
        isOpen = false
        let backlog = schedule.map { schedule in
            let due = schedule.backlog(now: now > Self.grace ? now - Self.grace : 0)
            return Backlog(count: min(due, source.left), schedule: schedule, source: source)
        }
        end = (now, recorder.done, backlog)
    }

    /// - Parameter now: the time at which the last operation ended.
    func figures(_ recorder: Recorder, now: UInt64) -> Figures {
        let (until, done, backlog) = end ?? (now, recorder.done, nil)
        let seconds = Double(until > from ? until - from : 0) / 1e9
        var recorder = recorder
        // Not before the last operation has ended: answers that arrive meanwhile would be recorded late.
        if var backlog { backlog.record(in: &recorder, until: until) }
        return Figures(recorder: recorder, throughput: seconds > 0 ? Double(done) / seconds : 0, seconds: seconds)
    }
}

/// The operations of an open loop that were due when time was up, and had not begun.
///
/// Each counts with the time that it had waited. If they were left out, the latencies would be those of the operations
/// that were lucky: a store that serves half of what is due would look nearly as fast as one that serves all of it.
struct Backlog: Sendable {
    var count: Int
    var schedule: Schedule
    var source: any OperationSource

    /// Operations are recorded one by one up to this number. Of more, those that follow each other are recorded in
    /// groups, with the wait of the one in the middle: in a run of 10 s their waits differ by less than 0.1 ms.
    static let mostGroups = 100_000

    mutating func record(in recorder: inout Recorder, until: UInt64) {
        let size = max((count + Self.mostGroups - 1) / Self.mostGroups, 1)
        while count > 0, let operation = source.next() {
            let group = min(size, count)
            schedule.skip(group / 2)
            let due = schedule.next
            schedule.skip(group - group / 2)
            recorder.neverBegun(operation.kind, waited: until > due ? until - due : 0, count: group)
            count -= group
        }
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
