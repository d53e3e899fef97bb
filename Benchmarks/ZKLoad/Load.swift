import NIOCore
import NIOPosix

/// What all sessions do together, and how long it took.
///
/// An operation costs no task, no lock and no promise: the handler that reads an answer records it and writes the next
/// request. The class is Sendable because it is used on one event loop only.
final class Load: @unchecked Sendable {
    let options: Options
    private let result: EventLoopPromise<String>
    /// Sessions that are open, until all are.
    private var sessions: [Session] = []
    private var begun = 0, closed = 0
    /// Operations that end in between count.
    private var from = NIODeadline.now(), to = NIODeadline.now()
    private var nanoseconds: [Int64] = []
    private var random: UInt64 = 1

    private init(_ options: Options, _ result: EventLoopPromise<String>) {
        (self.options, self.result) = (options, result)
    }

    /// Returns a line of JSON, or throws if any operation fails.
    static func run(_ options: Options, on loop: any EventLoop) async throws -> String {
        let result = loop.makePromise(of: String.self)
        let load = Load(options, result)
        let bootstrap = ClientBootstrap(group: loop)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Session(load))
                }
            }
        // To all servers evenly, whoever leads: the clients of an ensemble choose a server at random.
        for number in 0..<options.connections {
            let port = options.ports[number % options.ports.count]
            bootstrap.connect(host: "127.0.0.1", port: port).whenFailure { load.failed($0) }
        }
        return try await result.futureResult.get()
    }

    func opened(_ session: Session) {
        sessions.append(session)
        guard sessions.count == options.connections else { return }
        from = .now() + .seconds(Int64(options.warmUp))
        to = from + .seconds(Int64(options.seconds))
        for session in sessions { session.begin() }
    }

    /// The path of the next operation: `/user` and twelve digits. Nil if there is no more to do.
    func nextPath(_ now: NIODeadline) -> [UInt8]? {
        guard options.isLoading ? begun < options.keys : now < to else { return nil }
        // Knuth's MMIX generator. The system's would take a system call for each key.
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        var key = options.isLoading ? begun : Int((random >> 33) % UInt64(options.keys))
        begun += 1
        var path = Array("/user000000000000".utf8)
        for index in stride(from: path.count - 1, to: 4, by: -1) where key > 0 {
            path[index] += UInt8(key % 10)
            key /= 10
        }
        return path
    }

    func done(since start: NIODeadline, _ now: NIODeadline) {
        if options.isLoading { to = now }
        if from <= now, now <= to { nanoseconds.append((now - start).nanoseconds) }
    }

    func ended() {
        closed += 1
        guard closed == options.connections else { return }
        guard !nanoseconds.isEmpty, to > from else { return failed(Failure(description: "no operation was done")) }
        nanoseconds.sort()
        let throughput = Double(nanoseconds.count) / Double((to - from).nanoseconds) * 1e9
        let percentiles = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)].map { name, share in
            ", \"\(name)\": \(Double(nanoseconds[Int(Double(nanoseconds.count - 1) * share)]) / 1e6)"
        }
        result.succeed("{\"throughput\": \(throughput)\(percentiles.joined())}")
    }

    func failed(_ error: any Error) { result.fail(error) }
}
