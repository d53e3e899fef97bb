import NIOCore

/// A phase under way on one thread.
final class Run {
    var source: any OperationSource
    var schedule: Schedule?
    /// Operations under way at the most.
    let capacity: Int
    /// What fails is tried again.
    let isLoad: Bool
    /// Somebody wants to know how it goes.
    let isWatched: Bool
    private let finished: EventLoopPromise<Figures>
    var recorder = Recorder()
    var inFlight = 0
    /// Wakes an open loop for its next operation.
    var alarm: Scheduled<Void>?
    /// The limits of time.
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

    /// Operations are still begun.
    var isBeginning: Bool { window.isOpen }

    /// What was recorded so far does not count.
    func warmed(now: UInt64) {
        recorder.reset()
        window.restart(now: now)
    }

    /// There are no more operations.
    func exhaust() { window.exhaust() }

    /// What ends from now on is part of the latencies, but not of the throughput.
    func endWindow(now: UInt64) { window.close(now: now, recorder, schedule) }

    func finish(now: UInt64) {
        alarm?.cancel()
        for timer in timers { timer.cancel() }
        finished.succeed(window.figures(recorder, now: now))
    }
}
