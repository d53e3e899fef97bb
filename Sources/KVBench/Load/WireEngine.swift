import KVCore
import NIOCore
import NIOPosix

/// Puts a store under load over connections of its own, with one worker for each thread.
final class WireEngine: LoadEngine {
    /// The time between two fetches of the slot map, if nothing asks for one sooner.
    private static let lookInterval = Duration.seconds(10)
    /// The least time between two fetches.
    private static let shortestInterval = Duration.milliseconds(500)

    private let group: MultiThreadedEventLoopGroup
    private let workers: [Worker]
    private let wakes: AsyncStream<Void>.Continuation
    private let followers: [Task<Void, Never>]

    /// Connects to all nodes.
    /// - Parameter slotMap: fetches the slot map.
    /// - Throws: `BenchError` if no node can be reached.
    init(
        _ options: BenchOptions, slotMap look: @escaping @Sendable () async throws -> SlotMap,
        makeAdapter: @escaping Worker.AdapterMaker
    ) async throws {
        let first = try await look()
        let (stream, wakes) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let group = MultiThreadedEventLoopGroup(numberOfThreads: options.threads)
        let workers = Array(group.makeIterator()).prefix(options.threads).enumerated().map { thread, loop in
            Worker(
                loop: loop, options: options, thread: thread, onMisrouted: { wakes.yield() }, makeAdapter: makeAdapter)
        }
        self.group = group
        self.workers = workers
        self.wakes = wakes
        for worker in workers { try await worker.loop.flatSubmit { worker.follow(first) }.get() }
        followers = [
            Task {
                for await _ in stream {
                    // If no node can tell, the map that is known stays.
                    if let slotMap = try? await look() {
                        for worker in workers { worker.loop.execute { _ = worker.follow(slotMap) } }
                    }
                    try? await Task.sleep(for: Self.shortestInterval)
                }
            },
            Task {
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.lookInterval)
                    wakes.yield()
                }
            },
        ]
        for worker in workers {
            let obstacle = try await worker.loop.submit { worker.isConnected ? nil : worker.obstacle }.get()
            if let obstacle {
                await close()
                throw BenchError.unreachable(obstacle)
            }
        }
    }

    func run(_ phase: Phase) async -> Figures {
        // All workers begin at the same time.
        let parts = workers.map { worker in worker.loop.flatSubmit { worker.begin(phase) } }
        var whole = Figures()
        for part in parts {
            if let figures = try? await part.get() { whole.add(figures) }
        }
        return whole
    }

    func stop() {
        for worker in workers { worker.loop.execute { worker.stop() } }
    }

    func takeInterval() async -> Interval {
        var whole = Interval()
        for worker in workers {
            if let part = try? await worker.loop.submit({ worker.takeInterval() }).get() { whole.add(part) }
        }
        return whole
    }

    func close() async {
        for follower in followers { follower.cancel() }
        wakes.finish()
        for worker in workers { try? await worker.loop.submit { worker.close() }.get() }
        try? await group.shutdownGracefully()
    }
}
