import NIOCore

/// A phase that is under way on one thread.
final class Run {
    var source: any OperationSource
    var schedule: Schedule?
    /// The number of operations under way at most.
    let capacity: Int
    /// Whether keys are being loaded; then an operation that fails is tried again.
    let isLoad: Bool
    /// Whether progress is reported.
    let isWatched: Bool
    private let finished: EventLoopPromise<Figures>
    var recorder = Recorder()
    var inFlight = 0
    /// Fires when the next operation of an open loop is due.
    var alarm: Scheduled<Void>?
    /// Fire at the end of the warm-up and at the end of the phase.
    var timers: [Scheduled<Void>] = []
    private var window: Window

    init(
        _ phase: Phase, source: any OperationSource, schedule: Schedule?, capacity: Int,
        finished: EventLoopPromise<Figures>, from: UInt64
    ) {
        self.source = source
        self.schedule = schedule
        self.capacity = capacity
        isLoad = phase.work == .load
        isWatched = phase.isWatched
        self.finished = finished
        window = Window(from: from)
    }

    /// Whether operations are still begun.
    var isBeginning: Bool { window.isOpen }

    /// Ends the warm-up: what was recorded so far does not count.
    func warmed(now: UInt64) {
        recorder.reset()
        window.restart(now: now)
    }

    /// Called when there are no more operations.
    func exhaust() { window.exhaust() }

    /// Begins no more operations. Those that end from now on count for the latencies, but not for the throughput.
    func endWindow(now: UInt64) { window.close(now: now, recorder, schedule, source) }

    func finish(now: UInt64) {
        alarm?.cancel()
        for timer in timers { timer.cancel() }
        finished.succeed(window.figures(recorder, now: now))
    }
}
