import KVCore

/// One phase of a run: it loads the keys, or runs the workload.
struct Phase: Sendable {
    enum Work: Sendable {
        case load
        case workload
    }

    var work: Work
    /// The number of operations of all threads that are under way at a time.
    var inFlight: Int
    /// The operations per second of all threads; nil means a closed loop.
    var rate: Double?
    var warmup: Nanoseconds
    /// Nil means that the phase lasts until there are no more operations.
    var duration: Nanoseconds?
    /// Whether progress is reported.
    var isWatched = false

    static func load(_ options: BenchOptions) -> Self {
        // Loading is not measured, so it may use more pipelining than the workload.
        Phase(
            work: .load, inFlight: options.clients * max(options.pipeline, 16), rate: nil, warmup: .zero,
            duration: nil)
    }

    static func workload(_ options: BenchOptions) -> Self {
        Phase(
            work: .workload, inFlight: options.clients * options.pipeline, rate: options.rate,
            warmup: options.warmup, duration: options.duration)
    }

    /// Returns the operations of one thread.
    func source(_ options: BenchOptions, thread: Int, of threads: Int) -> any OperationSource {
        switch work {
        case .load: return LoadSource(keys: options.keys, thread: thread, of: threads)
        case .workload:
            let operations = options.operations.map { share($0, thread: thread, of: threads) } ?? .max
            return WorkloadSource(
                options.mix, options.chosenDistribution, keys: options.keys, operations: operations,
                seed: options.seed, thread: thread, of: threads)
        }
    }

    func schedule(start: UInt64, thread: Int, of threads: Int) -> Schedule? {
        rate.map {
            Schedule(
                rate: $0 / Double(threads), start: start, offset: Double(thread) / Double(threads))
        }
    }
}

/// Returns a thread's part of `whole`. The parts of all threads add up to it.
func share(_ whole: Int, thread: Int, of threads: Int) -> Int {
    whole / threads + (thread < whole % threads ? 1 : 0)
}
