import KVClient
import KVCore
import Synchronization

/// Puts a cluster under load through the client library, like a program whose tasks share one client.
final class LibraryEngine: LoadEngine {
    /// The time before a key that could not be loaded is tried again.
    private static let retryDelay = Duration.milliseconds(100)
    /// The number of failures of one key after which loading has failed.
    private static let mostFailures = 20

    private let options: BenchOptions
    private let client: KVClient
    private let values: Values
    private let state = Mutex(State())

    private struct State {
        var run: LibraryRun?
        var interval = Interval()
    }

    /// - Throws: `BenchError` if no node can be reached.
    init(_ options: BenchOptions) async throws {
        guard options.mix.share(of: .scan) == 0 else {
            throw BenchError.unsupported(
                "the client library has no scans: workload \(options.mix.name) needs --protocol http or resp")
        }
        self.options = options
        values = Values(size: options.valueSize, seed: options.seed)
        var clientOptions = KVClientOptions()
        clientOptions.timeout = Duration(options.timeout)
        clientOptions.followsLeaders = options.isRouted
        // The generator limits the requests under way itself, so the client must not refuse any.
        clientOptions.maximumWaiting = max(clientOptions.maximumWaiting, options.clients * max(options.pipeline, 16))
        client = KVClient(endpoints: options.endpoints, options: clientOptions)
        do {
            _ = try await client.nodes()
        } catch {
            throw BenchError.unreachable("\(error)")
        }
    }

    func run(_ phase: Phase) async -> Figures {
        let now = Clock.now
        let run = LibraryRun(
            source: phase.source(options, thread: 0, of: 1), schedule: phase.schedule(start: now, thread: 0, of: 1),
            from: now)
        state.withLock { $0.run = run }
        let timers = Task {
            guard let duration = phase.duration else { return }
            if phase.warmup > .zero {
                try await Task.sleep(for: Duration(phase.warmup))
                state.withLock { $0.run?.warmed(now: Clock.now) }
            }
            try await Task.sleep(for: Duration(duration))
            stop()
        }
        await withDiscardingTaskGroup { group in
            for task in 0..<phase.inFlight {
                group.addTask { [self] in
                    let random = SplitMix(seed: options.seed &* 1_000_003 &+ UInt64(task))
                    await work(values.reseeded(random), isLoad: phase.work == .load)
                }
            }
        }
        timers.cancel()
        return state.withLock { state in
            defer { state.run = nil }
            return state.run?.figures(now: Clock.now) ?? Figures()
        }
    }

    func stop() { state.withLock { $0.run?.endWindow(now: Clock.now) } }

    func takeInterval() async -> Interval {
        state.withLock { state in
            defer { state.interval = Interval() }
            return state.interval
        }
    }

    func close() async { await client.close() }

    /// Executes one operation after the other, until there are no more.
    private func work(_ values: Values, isLoad: Bool) async {
        var values = values
        while true {
            switch state.withLock({ $0.run?.take(now: Clock.now) ?? .end }) {
            case .end: return
            case .wait(let until):
                let now = Clock.now
                if until > now { try? await Task.sleep(for: .nanoseconds(until - now)) }
            case .begin(let operation, let start):
                var outcome = await perform(operation, &values)
                var attempts = 1
                while isLoad, case .failure = outcome, attempts < Self.mostFailures {
                    attempts += 1
                    try? await Task.sleep(for: Self.retryDelay)
                    outcome = await perform(operation, &values)
                }
                let now = Clock.now
                let latency = now > start ? now - start : 0
                state.withLock { state in
                    state.run?.ended(operation, outcome, latency: latency)
                    if case .success = outcome {
                        state.interval.latencies.record(min(latency, Recorder.longest))
                    } else {
                        state.interval.failed += 1
                    }
                }
                if isLoad, case .failure = outcome { stop() }
            }
        }
    }

    /// - Returns: whether the key existed, for a read; otherwise true.
    private func perform(_ operation: Operation, _ values: inout Values) async -> Result<Bool, any Error> {
        let key = Key(KeyName.bytes(operation.key))
        do {
            switch operation.kind {
            case .read: return .success(try await client.get(key) != nil)
            case .readModifyWrite:
                let isThere = try await client.get(key) != nil
                try await client.put(key, values.next())
                return .success(isThere)
            case .update, .insert, .scan:
                try await client.put(key, values.next())
                return .success(true)
            }
        } catch {
            return .failure(error)
        }
    }
}
