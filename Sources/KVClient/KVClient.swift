import KVCore
import NIOCore
import NIOHTTP1
import NIOPosix

/// A client of a `kv` cluster, over HTTP.
///
/// Any node answers any key, so one endpoint is enough; the others are for when it is down. A change is never sent twice:
/// once it may have been sent, losing the answer is `KVClientError.unknown`.
///
/// There is one connection an endpoint, kept alive, and requests take their turn on it. Cancelling a task does not
/// withdraw its request: it ends by its timeout at the latest.
public actor KVClient {
    private var endpoints: [Address]
    private let timeout: Span
    private let group: any EventLoopGroup
    private var connections: [Address: EventLoopFuture<any Channel>] = [:]
    /// The endpoint that answered last, from which the next request starts.
    private var preferred = 0

    public static let defaultTimeout = Span.milliseconds(5000)
    /// What a server waits at the most.
    public static let maximumTimeout = Span.milliseconds(300_000)

    /// - Parameters:
    ///   - endpoints: client addresses of nodes, in order of preference.
    ///   - timeout: for each operation in all, `1 ms ... maximumTimeout`; capped.
    public init(endpoints: [Address], timeout: Span = defaultTimeout) {
        self.endpoints = endpoints
        self.timeout = min(max(timeout, .milliseconds(1)), Self.maximumTimeout)
        group = MultiThreadedEventLoopGroup.singleton
    }

    /// Asks these as well from now on, after those that are known.
    public func addEndpoints(_ addresses: [Address]) {
        for address in addresses where !endpoints.contains(address) { endpoints.append(address) }
    }

    /// Closes the connections. What is under way fails.
    public func close() async {
        let open = connections.values
        connections = [:]
        for future in open {
            // One that never opened, or is closed already, needs nothing.
            if let channel = try? await future.get() { try? await channel.close() }
        }
    }

    // MARK: Keys

    /// The value of a key; nil where there is none.
    /// - Parameter consistency: `stale` takes whatever the nearest replica holds.
    public func get(_ key: Key, consistency: Consistency = .linearizable) async throws(KVClientError) -> StoredValue? {
        let query = consistency == .stale ? "consistency=stale" : nil
        let request = Request(method: .GET, path: Self.path(key), query: query)
        let answer = try await perform(request)
        switch answer.head.status.code {
        case 200:
            guard let version = answer.version else { throw answer.notUnderstood(request) }
            return StoredValue(
                bytes: Array(answer.body.readableBytesView), version: version,
                contentType: answer.head.headers.first(name: "content-type") ?? "",
                secondsToLive: answer.head.headers.first(name: "kv-ttl").flatMap { UInt64($0) })
        case 404: return nil
        default: throw answer.failure(of: request)
        }
    }

    /// Sets a key.
    /// - Parameters:
    ///   - contentType: media type, at most 255 bytes; empty means `application/octet-stream`.
    ///   - lifetime: after which it is absent again; at least 1 ms.
    /// - Returns: the version it has from now on.
    @discardableResult
    public func put(
        _ key: Key, _ value: [UInt8], contentType: String = "", lifetime: Span? = nil, condition: Condition = .always
    ) async throws(KVClientError) -> Version {
        var request = Request(method: .PUT, path: Self.path(key), body: value)
        if let lifetime { request.query = "ttl=\(max(lifetime.milliseconds, 1))ms" }
        if !contentType.isEmpty { request.headers.add(name: "content-type", value: contentType) }
        request.add(condition)
        let answer = try await perform(request)
        guard answer.head.status.code == 204 else { throw answer.failure(of: request) }
        guard let version = answer.version else { throw answer.notUnderstood(request) }
        return version
    }

    /// Deletes a key.
    /// - Returns: whether there was one.
    @discardableResult
    public func delete(_ key: Key, condition: Condition = .always) async throws(KVClientError) -> Bool {
        var request = Request(method: .DELETE, path: Self.path(key))
        request.add(condition)
        let answer = try await perform(request)
        switch answer.head.status.code {
        case 204: return true
        case 404: return false
        default: throw answer.failure(of: request)
        }
    }

    // MARK: The cluster

    /// Members and placement, as the node that is asked sees them.
    public func ring() async throws(KVClientError) -> RingStatus {
        try await status(Request(method: .GET, path: "/v1/ring"))
    }

    /// Where a key lives, whether or not it is there.
    public func placement(of key: Key) async throws(KVClientError) -> KeyPlacement {
        try await status(Request(method: .GET, path: "/v1/ring", query: "key=\(percentEncoded(key.bytes))"))
    }

    /// The members.
    public func nodes() async throws(KVClientError) -> [NodeStatus] {
        let list: NodeList = try await status(Request(method: .GET, path: "/v1/nodes"))
        return list.nodes
    }

    private func status<Status: Decodable>(_ request: Request) async throws(KVClientError) -> Status {
        var request = request
        request.waits = false
        request.isAboutCluster = true
        let answer = try await perform(request)
        guard answer.head.status.code == 200 else { throw answer.failure(of: request) }
        guard let status = answer.decoded(as: Status.self) else { throw answer.notUnderstood(request) }
        return status
    }

    private static func path(_ key: Key) -> String { "/v1/kv/\(percentEncoded(key.bytes))" }

    // MARK: Endpoints

    /// The answer of the first endpoint that can be asked.
    func perform(_ request: Request) async throws(KVClientError) -> Answer {
        let deadline = NIODeadline.now() + .nanoseconds(Int64(clamping: timeout.nanoseconds))
        let endpoints = endpoints
        var failures: [String] = []
        // Of a node that can do nothing now: what it says is better than nothing.
        var lastResort: Answer?
        let start = preferred
        for attempt in 0..<endpoints.count {
            let index = (start + attempt) % endpoints.count
            let endpoint = endpoints[index]
            // Asking another in no time at all would only leave its outcome in doubt.
            if let lastResort, deadline - .now() < .milliseconds(50) { return lastResort }
            let share = TimeAmount.nanoseconds((deadline - .now()).nanoseconds / Int64(endpoints.count - attempt))
            // A node that hangs must not use up the time of those that would know.
            let limit = request.isAboutCluster && request.mayRepeat ? .now() + share : deadline
            do {
                let answer = try await exchange(request, with: endpoint, connectWithin: share, limit)
                let found = Answer(endpoint: endpoint, head: answer.head, body: answer.body)
                if request.isAboutCluster, answer.head.status == .serviceUnavailable, attempt < endpoints.count - 1 {
                    lastResort = found
                    continue
                }
                preferred = index
                return found
            } catch HTTPExchangeFailure.lost(let reason) where !request.mayRepeat {
                throw .unknown(
                    "\(endpoint): \(reason); the change may have taken effect, or may yet: \(request.advice) before you"
                        + " try again")
            } catch HTTPExchangeFailure.lost(let reason), HTTPExchangeFailure.notSent(let reason) {
                failures.append("\(endpoint): \(reason)")
            } catch {
                failures.append("\(endpoint): \(reason(error))")
            }
        }
        if let lastResort { return lastResort }
        throw .unreachable(failures.joined(separator: "; "))
    }

    private func exchange(
        _ request: Request, with endpoint: Address, connectWithin: TimeAmount, _ deadline: NIODeadline
    ) async throws -> HTTPAnswer {
        let (channel, isFresh) = try await channel(to: endpoint, within: connectWithin)
        do {
            return try await send(request, on: channel, endpoint, deadline)
        } catch HTTPExchangeFailure.notSent where !isFresh {
            // The server had closed the connection meanwhile.
            connections[endpoint] = nil
            let (channel, _) = try await self.channel(to: endpoint, within: min(connectWithin, deadline - .now()))
            return try await send(request, on: channel, endpoint, deadline)
        }
    }

    private func send(
        _ request: Request, on channel: any Channel, _ endpoint: Address, _ deadline: NIODeadline
    ) async throws -> HTTPAnswer {
        let remaining = deadline - .now()
        let promise = channel.eventLoop.makePromise(of: HTTPAnswer.self)
        let exchange = HTTPExchange(
            head: request.head(for: endpoint, within: remaining), body: request.body.map { ByteBuffer(bytes: $0) },
            deadline: deadline, promise: promise)
        channel.writeAndFlush(exchange).whenFailure { error in
            promise.fail(HTTPExchangeFailure.notSent(reason(error)))
        }
        return try await promise.futureResult.get()
    }

    private func channel(to endpoint: Address, within limit: TimeAmount) async throws -> (any Channel, isFresh: Bool) {
        if let future = connections[endpoint] {
            if let channel = try? await future.get(), channel.isActive { return (channel, false) }
            // Unless another task has opened a new one while this one waited.
            if connections[endpoint] === future { connections[endpoint] = nil }
        }
        if let future = connections[endpoint] { return (try await future.get(), false) }
        let future = ClientBootstrap(group: group)
            .connectTimeout(max(limit, .milliseconds(1)))
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(HTTPExchangeHandler())
                }
            }
            .connect(host: endpoint.host, port: endpoint.port)
        connections[endpoint] = future
        return (try await future.get(), true)
    }
}
