import KVModel

/// A client of a `kv` cluster, over HTTP.
///
/// Any node answers any key, so one endpoint is enough; the others are for when it is down. After the first few
/// operations the client asks where the partitions' leaders are, and goes straight to them from then on; answers that
/// name another node, and lost connections, make it ask again.
///
/// An operation ends in one of: done, refused (nothing changed) or `KVClientError.unknown`. A change is never sent
/// twice: once it may have been sent, losing the answer is `unknown`. Reads are repeated at other nodes while there is
/// time.
///
/// Cancelling the task of an operation ends it at once: `KVClientError.refused` with the code `cancelled` where nothing
/// was changed, `unknown` where a change had been sent.
///
/// One client is enough for a program: it is safe to use from any number of tasks, which share its connections.
public final class KVClient: Sendable {
    public static let defaultTimeout = Duration.seconds(5)
    /// What a server waits at the least.
    public static let minimumTimeout = Duration.milliseconds(1)
    /// What a server waits at the most.
    public static let maximumTimeout = Duration.seconds(300)
    /// Bytes of a content type.
    public static let maximumContentType = Record.maximumContentType

    let dispatcher: Dispatcher

    /// Connects to nothing yet.
    /// - Parameter endpoints: client addresses of nodes, in order of preference.
    public init(endpoints: [Address], options: KVClientOptions = KVClientOptions()) {
        dispatcher = Dispatcher(endpoints, options)
    }

    /// - Parameters:
    ///   - endpoints: client addresses of nodes, in order of preference.
    ///   - timeout: for each operation in all; brought into `minimumTimeout ... maximumTimeout`.
    public convenience init(endpoints: [Address], timeout: Duration) {
        var options = KVClientOptions()
        options.timeout = timeout
        self.init(endpoints: endpoints, options: options)
    }

    /// Asks these as well from now on, after those that are known.
    public func addEndpoints(_ addresses: [Address]) { dispatcher.router.addEndpoints(addresses) }

    /// Closes the connections, for good. What is under way fails: changes that were sent as `unknown`. A client that is
    /// no longer used does the same by itself.
    public func close() async { await dispatcher.close() }

    // MARK: Keys

    /// The value of a key; nil where there is none.
    /// - Parameters:
    ///   - consistency: `stale` takes whatever a replica holds: it may lag, and needs no majority.
    ///   - timeout: for this operation; brought into `minimumTimeout ... maximumTimeout`. The client's where nil.
    /// - Throws: `unreachable`, `refused`, `denied` or `badRequest`.
    public func get(
        _ key: Key, consistency: Consistency = .linearizable, timeout: Duration? = nil
    ) async throws(KVClientError) -> StoredValue? {
        var request = Request(.get, key)
        if consistency == .stale {
            request.isStale = true
            request.parameters = "consistency=stale"
        }
        let answer = try await dispatcher.perform(request, timeout: timeout)
        switch answer.status {
        case 200:
            guard let version = answer.version else { throw answer.notUnderstood(request) }
            return StoredValue(
                bytes: answer.message.body, version: version, contentType: answer.message.contentType,
                timeToLive: answer.message.secondsToLive.map(Duration.init(wholeSeconds:)))
        case 404 where answer.isOfNode: return nil
        case 404: throw answer.notUnderstood(request)
        default: throw answer.failure(of: request)
        }
    }

    /// Sets a key.
    /// - Parameters:
    ///   - contentType: media type, at most `maximumContentType` bytes of printable ASCII; empty means
    ///     `application/octet-stream`.
    ///   - lifetime: after which it is absent again; for good where nil. One that is not above zero is a `badRequest`.
    ///     Others are rounded down to whole milliseconds, but not below 1, and those above 584 years count as that.
    ///   - condition: what must hold of the key; check and change are one step.
    ///   - timeout: for this operation, as for `get`.
    /// - Returns: the version it has from now on.
    /// - Throws: `conditionFailed` and whatever `get` throws, nothing having been changed; `unknown`.
    @discardableResult
    public func put(
        _ key: Key, _ value: [UInt8], contentType: String = "", lifetime: Duration? = nil,
        condition: Condition = .always, timeout: Duration? = nil
    ) async throws(KVClientError) -> Version {
        // It is written into the request as it is.
        guard contentType.utf8.allSatisfy({ (0x20...0x7E).contains($0) }),
            contentType.utf8.count <= Self.maximumContentType
        else {
            throw .badRequest(
                "nothing was changed: a content type has at most \(Self.maximumContentType) bytes of printable ASCII")
        }
        var request = Request(.put, key)
        request.body = value
        if let lifetime {
            guard lifetime > .zero else {
                throw .badRequest("nothing was changed: a lifetime is above zero; to delete the key, use delete")
            }
            request.parameters = "ttl=\(max(Nanoseconds(lifetime).milliseconds, 1))ms"
        }
        request.contentType = contentType
        request.condition = condition
        let answer = try await dispatcher.perform(request, timeout: timeout)
        guard answer.status == 204 else { throw answer.failure(of: request) }
        guard let version = answer.version else { throw answer.notUnderstood(request) }
        return version
    }

    /// Deletes a key.
    /// - Parameters:
    ///   - condition: what must hold of the key, `ifAbsent` excepted; check and change are one step.
    ///   - timeout: for this operation, as for `get`.
    /// - Returns: whether there was one.
    /// - Throws: what `put` throws.
    @discardableResult
    public func delete(
        _ key: Key, condition: Condition = .always, timeout: Duration? = nil
    ) async throws(KVClientError) -> Bool {
        guard condition != .ifAbsent else {
            throw .badRequest("nothing was changed: a key that is to be absent cannot be deleted")
        }
        var request = Request(.delete, key)
        request.condition = condition
        let answer = try await dispatcher.perform(request, timeout: timeout)
        switch answer.status {
        case 204 where answer.isOfNode: return true
        case 404 where answer.isOfNode: return false
        case 204, 404: throw answer.notUnderstood(request)
        default: throw answer.failure(of: request)
        }
    }

    // MARK: The cluster

    /// Members and placement, as the node that is asked sees them.
    public func ring() async throws(KVClientError) -> RingStatus {
        try await status(Request(.get, path: "/v1/ring"))
    }

    /// Where a key lives, whether or not it is there.
    public func placement(of key: Key) async throws(KVClientError) -> KeyPlacement {
        try await status(Request(.get, path: "/v1/ring", parameters: "key=\(percentEncoded(key.bytes))"))
    }

    /// The members.
    public func nodes() async throws(KVClientError) -> [NodeStatus] {
        let list: NodeList = try await status(Request(.get, path: "/v1/nodes"))
        return list.nodes
    }

    private func status<Status: Decodable>(_ request: Request) async throws(KVClientError) -> Status {
        var request = request
        request.waits = false
        request.isAboutCluster = true
        let answer = try await dispatcher.perform(request)
        guard answer.status == 200 else { throw answer.failure(of: request) }
        guard let status = answer.decoded(as: Status.self) else { throw answer.notUnderstood(request) }
        return status
    }
}
