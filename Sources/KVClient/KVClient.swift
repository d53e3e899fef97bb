import KVModel

/// A client of a `kv` cluster, over HTTP.
///
/// Any node answers for any key, so one endpoint is enough; the others are for when it is down. After the first few
/// operations the client asks for the leaders of all partitions, and sends each operation to the leader of its key from
/// then on. It asks again after an answer that names another node, and after a lost connection.
///
/// An operation ends as done, as refused (nothing was changed), or as `KVClientError.unknown`. A change is never sent
/// twice: if a node may have received it and no answer comes, the error is `unknown`. Reads are repeated at other nodes
/// while there is time.
///
/// Cancelling the task of an operation ends it at once. The error is `KVClientError.refused` with the code `cancelled`
/// if nothing was changed, and `unknown` if a change had been sent.
///
/// One client is enough for a program. Any number of tasks may use it at the same time; they share its connections.
public final class KVClient: Sendable {
    public static let defaultTimeout = Duration.seconds(5)
    /// The shortest time that a server waits.
    public static let minimumTimeout = Duration.milliseconds(1)
    /// The longest time that a server waits.
    public static let maximumTimeout = Duration.seconds(300)
    /// The length of a content type at most, in bytes.
    public static let maximumContentType = Record.maximumContentType

    let dispatcher: Dispatcher

    /// Makes a client. It connects when it is first used.
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

    /// Adds endpoints, to be asked after those that are known.
    public func addEndpoints(_ addresses: [Address]) { dispatcher.router.addEndpoints(addresses) }

    /// Closes the connections for good. Operations that are under way fail, changes that were sent as `unknown`. A
    /// client that is released does the same.
    public func close() async { await dispatcher.close() }

    // MARK: Keys

    /// Returns the value of a key; nil if there is no such key.
    /// - Parameters:
    ///   - consistency: `stale` reads the copy of one replica. It may lag, and needs no majority.
    ///   - timeout: for this operation; brought into `minimumTimeout ... maximumTimeout`. The client's if nil.
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
    ///   - contentType: the media type, at most `maximumContentType` bytes of printable ASCII; empty means
    ///     `application/octet-stream`.
    ///   - lifetime: the time after which the key is absent again; nil means never. Zero and less are a `badRequest`. A
    ///     lifetime is rounded down to whole milliseconds, but not below 1 ms, and is at most 584 years.
    ///   - condition: what must be true of the key; check and change are one step.
    ///   - timeout: for this operation, as for `get`.
    /// - Returns: the new version of the key.
    /// - Throws: `unknown`; otherwise nothing was changed: `conditionFailed`, or what `get` throws.
    @discardableResult
    public func put(
        _ key: Key, _ value: [UInt8], contentType: String = "", lifetime: Duration? = nil,
        condition: Condition = .always, timeout: Duration? = nil
    ) async throws(KVClientError) -> Version {
        // The content type is written into the head of the request as it is.
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
    ///   - condition: what must be true of the key; `ifAbsent` is a `badRequest`. Check and change are one step.
    ///   - timeout: for this operation, as for `get`.
    /// - Returns: whether there was such a key.
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

    /// Returns the members and the placement of all partitions, as the node that answers sees them.
    public func ring() async throws(KVClientError) -> RingStatus {
        try await status(Request(.get, path: "/v1/ring"))
    }

    /// Returns the partition, replicas and leader of a key. The key need not exist.
    public func placement(of key: Key) async throws(KVClientError) -> KeyPlacement {
        try await status(Request(.get, path: "/v1/ring", parameters: "key=\(percentEncoded(key.bytes))"))
    }

    /// Returns the members, as the node that answers sees them.
    public func nodes() async throws(KVClientError) -> [NodeStatus] {
        let list: NodeList = try await status(Request(.get, path: "/v1/nodes"))
        return list.nodes
    }

    /// Returns what the node that answers serves during `span`, counted by that node from the request on.
    ///
    /// It is one of the endpoints. To ask a certain node, make a client with its address alone.
    /// - Parameter span: 100 ms to 10 s. The client's timeout counts beside it.
    /// - Throws: `badRequest` for another `span`; `refused` with the code `overloaded` if the node counts for too many
    ///   others.
    public func load(over span: Duration = .seconds(1)) async throws(KVClientError) -> LoadStatus {
        let milliseconds = Nanoseconds(span).milliseconds
        // The time is shared out among the endpoints (`Dispatcher.leastShare`), and each needs this much.
        return try await status(
            Request(.get, path: "/v1/load", parameters: "over=\(milliseconds)ms"),
            timeout: dispatcher.timeout + .milliseconds(Int64(clamping: milliseconds)) * Dispatcher.leastShare)
    }

    private func status<Status: Decodable>(
        _ request: Request, timeout: Duration? = nil
    ) async throws(KVClientError) -> Status {
        var request = request
        request.waits = false
        request.isAboutCluster = true
        let answer = try await dispatcher.perform(request, timeout: timeout)
        guard answer.status == 200 else { throw answer.failure(of: request) }
        guard let status = answer.decoded(as: Status.self) else { throw answer.notUnderstood(request) }
        return status
    }
}
