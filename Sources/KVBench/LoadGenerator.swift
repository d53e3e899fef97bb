import KVCore
import Synchronization

/// A load generator for `kv` and for Redis in the manner of YCSB. It loads keys, runs a mix of operations on them, and
/// reports how many were done per second and how long they took.
///
/// In a closed loop, an operation begins when another ends. In an open loop, operations begin at a fixed rate, whether
/// or not earlier ones have ended, and a latency counts from the time at which the operation was due.
package final class LoadGenerator: Sendable {
    package let options: BenchOptions
    private let engine: any LoadEngine
    private let prepareScans: @Sendable () async throws -> Void
    private let isStopped = Mutex(false)

    /// The progress of a run, reported about once per second.
    package struct Progress: Sendable {
        package enum Stage: Sendable { case loading, warming, running }
        package var stage: Stage
        /// Seconds since the phase began (loading, or the workload with its warm-up).
        package var seconds: Double
        package var interval: Interval
        /// The length of `interval`.
        package var intervalSeconds: Double
    }

    private init(
        _ options: BenchOptions, _ engine: any LoadEngine,
        prepareScans: @escaping @Sendable () async throws -> Void = {}
    ) {
        self.options = options
        self.engine = engine
        self.prepareScans = prepareScans
    }

    /// Connects to the nodes. Changes nothing there.
    /// - Throws: `BenchError`
    package static func connect(_ options: BenchOptions) async throws -> LoadGenerator {
        let values = Values(size: options.valueSize, seed: options.seed)
        let starts = ScanStarts()
        let hasScans = options.mix.share(of: .scan) > 0
        switch options.transport {
        case .kv: return LoadGenerator(options, try await LibraryEngine(options))
        case .http:
            let discovery = HTTPDiscovery(options)
            // This is the server's default, so it need not be in each request.
            let limit = options.timeout == .milliseconds(5000) ? nil : options.timeout
            let engine = try await WireEngine(options, slotMap: discovery.slotMap) { address, id, random in
                HTTPAdapter(address, id: id, limit: limit, values: values.reseeded(random), starts: starts)
            }
            return LoadGenerator(options, engine) {
                if hasScans { starts.set(try await discovery.cursors(limit: ScanStarts.limit)) }
            }
        case .resp:
            let discovery = RESPDiscovery(options: options)
            let engine = try await WireEngine(options, slotMap: discovery.slotMap) { address, _, random in
                RESPAdapter(address, wait: options.wait, values: values.reseeded(random), starts: starts)
            }
            return LoadGenerator(options, engine) {
                if hasScans { starts.set(try await discovery.cursors(limit: ScanStarts.limit)) }
            }
        }
    }

    /// Ends the run early. `run` then returns the results so far.
    package func stop() {
        isStopped.withLock { $0 = true }
        engine.stop()
    }

    /// Loads the keys and runs the workload, as the options say.
    /// - Parameter onProgress: is called about once per second.
    /// - Throws: `BenchError` if keys could not be loaded, or if no operation was done.
    package func run(onProgress: (@Sendable (Progress) -> Void)? = nil) async throws -> BenchResult {
        var result = BenchResult(options)
        if options.loading != .no {
            result.load = try await load(onProgress)
            if options.loading == .only { return result }
        }
        try await prepareScans()
        guard !isStopped.withLock({ $0 }) else { return result }
        let figures = await watched(Phase.workload(options), onProgress)
        if figures.recorder.done == 0, figures.recorder.failed > 0 {
            throw BenchError.nothingDone(
                "no operation was done: " + Self.summary(figures.recorder))
        }
        result.figures = figures
        return result
    }

    private func load(_ onProgress: (@Sendable (Progress) -> Void)?) async throws -> BenchResult.Load {
        let figures = await watched(Phase.load(options), onProgress)
        if figures.recorder.failed > 0 {
            throw BenchError.nothingDone(
                "\(figures.recorder.done) of \(options.keys) keys could be loaded: " + Self.summary(figures.recorder))
        }
        return BenchResult.Load(keys: figures.recorder.done, seconds: figures.seconds)
    }

    private static func summary(_ recorder: Recorder) -> String {
        FailureKind.allCases.compactMap { kind in
            recorder.count(of: kind) == 0
                ? nil : "\(recorder.count(of: kind)) \(kind.name) (\(recorder.reason(of: kind) ?? ""))"
        }.joined(separator: ", ")
    }

    /// Runs a phase, and reports its progress about once per second.
    private func watched(_ phase: Phase, _ onProgress: (@Sendable (Progress) -> Void)?) async -> Figures {
        var phase = phase
        phase.isWatched = onProgress != nil
        let begin = Clock.now
        let isLoad = phase.work == .load
        let warm = Double(phase.warmup.nanoseconds) / 1e9
        let ticker = Task {
            var last = begin
            while true {
                try await Task.sleep(for: .seconds(1))
                let interval = await engine.takeInterval()
                let now = Clock.now
                let seconds = Double(now - begin) / 1e9
                let stage: Progress.Stage = isLoad ? .loading : seconds < warm ? .warming : .running
                onProgress?(
                    Progress(
                        stage: stage, seconds: seconds, interval: interval, intervalSeconds: Double(now - last) / 1e9))
                last = now
            }
        }
        _ = await engine.takeInterval()
        // If `stop` was called before the phase began, the engine does not know of it.
        let figures = isStopped.withLock { $0 } ? Figures() : await engine.run(phase)
        ticker.cancel()
        _ = try? await ticker.value
        return figures
    }

    package func close() async { await engine.close() }
}
