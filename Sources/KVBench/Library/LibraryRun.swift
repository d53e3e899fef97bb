import KVClient

/// A phase that is under way, shared by the tasks that execute its operations.
struct LibraryRun: Sendable {
    enum Turn {
        case begin(Operation, start: UInt64)
        /// No operation is due before this time.
        case wait(until: UInt64)
        case end
    }

    private var source: any OperationSource
    private var schedule: Schedule?
    private var recorder = Recorder()
    private var window: Window

    init(source: any OperationSource, schedule: Schedule?, from: UInt64) {
        self.source = source
        self.schedule = schedule
        window = Window(from: from)
    }

    mutating func take(now: UInt64) -> Turn {
        guard window.isOpen else { return .end }
        var start = now
        if let next = schedule?.next {
            guard let due = schedule?.take(now: now) else { return .wait(until: next) }
            start = due
        }
        guard let operation = source.next() else {
            window.exhaust()
            return .end
        }
        return .begin(operation, start: start)
    }

    mutating func ended(_ operation: Operation, _ outcome: Result<Bool, any Error>, latency: UInt64) {
        source.ended(operation)
        switch outcome {
        case .success(let isThere):
            recorder.done(operation.kind, nanoseconds: latency, isMissing: !isThere)
        case .failure(let error):
            let error = error as? KVError
            let kind: FailureKind =
                error?.effect == .unknown ? .unknown : error?.isRetryable == false ? .other : .refused
            recorder.failed(kind, error.map { "\($0)" } ?? "cancelled")
        }
    }

    mutating func warmed(now: UInt64) {
        recorder.reset()
        window.restart(now: now)
    }

    mutating func endWindow(now: UInt64) { window.close(now: now, recorder, schedule, source) }

    func figures(now: UInt64) -> Figures { window.figures(recorder, now: now) }
}
