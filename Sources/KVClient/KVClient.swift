import KVModel
import KVProtocol
import Logging
import NIOPosix

/// A client of a `kv` cluster.
///
/// Operations on keys go by the client protocol: many are under way on one connection, and each is answered when it is
/// done. What is about the cluster goes by HTTP.
///
/// Any node answers for any key, so one endpoint is enough; the others are for when it is down. After the first few
/// operations the client asks for the leaders of all partitions, and sends each operation to the leader of its key from
/// then on. It asks again after an answer that names another node, and after a lost connection.
///
/// An operation ends as done, or with a `KVError`. Its `effect` says whether nothing was changed, or whether nobody
/// knows. A change is never sent twice: if a node may have received it and no answer comes, its effect is unknown.
/// Reads are repeated at other nodes while there is time.
///
/// Cancelling the task of an operation ends it at once, with a `CancellationError` if nothing was changed, and with a
/// `KVError` of unknown effect if a change had been sent.
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

    /// Says nothing.
    public static let noLogger = Logger(label: "kv.client") { _ in SwiftLogNoOpLogHandler() }

    /// Makes a client. It connects when it is first used.
    /// - Parameters:
    ///   - endpoints: client addresses of nodes, in order of preference.
    ///   - logger: gets what happens in the background: nodes that cannot be reached and can be again (info), and maps
    ///     of leaders that have come (debug). What happens to a call is in its error.
    ///   - eventLoopGroup: has the event loops of the connections; by default the one that all users of NIO in a
    ///     process share. The caller shuts it down, after the client is closed.
    public init(
        endpoints: [Address], options: KVClientOptions = KVClientOptions(), logger: Logger = KVClient.noLogger,
        eventLoopGroup: MultiThreadedEventLoopGroup = .singleton
    ) {
        dispatcher = Dispatcher(endpoints, options, logger, eventLoopGroup)
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
    /// - Throws: `KVError`, or `CancellationError`.
    public func get(
        _ key: Key, consistency: Consistency = .linearizable, timeout: Duration? = nil
    ) async throws -> StoredValue? {
        let request = Request(key, .get(consistency))
        let answer = try await dispatcher.perform(request, timeout: timeout)
        switch answer.content {
        case .operation(.value(let found)): return StoredValue(found)
        case .operation(.absent): return nil
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
    /// - Throws: `KVError`, with the code `conditionFailed` if the condition did not hold; or `CancellationError`.
    @discardableResult
    public func put(
        _ key: Key, _ value: [UInt8], contentType: String = "", lifetime: Duration? = nil,
        condition: Condition = .always, timeout: Duration? = nil
    ) async throws -> Version {
        guard contentType.utf8.allSatisfy({ (0x20...0x7E).contains($0) }),
            contentType.utf8.count <= Self.maximumContentType
        else {
            throw KVError.badRequest(
                "nothing was changed: a content type has at most \(Self.maximumContentType) bytes of printable ASCII")
        }
        let put = Put(
            value: value, contentType: contentType, lifetime: try lifetime.map(Self.lifetime) ?? .unlimited,
            condition: condition)
        let request = Request(key, .put(put))
        let answer = try await dispatcher.perform(request, timeout: timeout)
        guard case .operation(.written(let version?)) = answer.content else { throw answer.failure(of: request) }
        return version
    }

    /// Rounds down to whole milliseconds, but not below 1.
    private static func lifetime(_ duration: Duration) throws -> Lifetime {
        guard duration > .zero else {
            throw KVError.badRequest("nothing was changed: a lifetime is above zero; to delete the key, use delete")
        }
        return .milliseconds(max(Nanoseconds(duration).milliseconds, 1))
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
    ) async throws -> Bool {
        guard condition != .ifAbsent else {
            throw KVError.badRequest("nothing was changed: a key that is to be absent cannot be deleted")
        }
        let request = Request(key, .delete(condition))
        let answer = try await dispatcher.perform(request, timeout: timeout)
        switch answer.content {
        case .operation(.written): return true
        case .operation(.absent): return false
        default: throw answer.failure(of: request)
        }
    }

    /// Adds to the decimal integer that a key's value is. An absent key counts as 0. Reading and adding are one step.
    /// - Parameters:
    ///   - lifetime: the time after which the key is absent again, from now on; nil leaves its expiry as it is.
    ///   - timeout: for this operation, as for `get`.
    /// - Returns: the sum.
    /// - Throws: `KVError` with the code `unfit` if the value is not a decimal integer of 64 bits or the sum is not;
    ///   otherwise what `put` throws.
    @discardableResult
    public func increment(
        _ key: Key, by addend: Int64 = 1, lifetime: Duration? = nil, timeout: Duration? = nil
    ) async throws -> Int64 {
        let change = try lifetime.map { Update.LifetimeChange.set(try Self.lifetime($0)) }
        let request = Request(key, .add(addend, lifetime: change ?? .keep))
        let answer = try await dispatcher.perform(request, timeout: timeout)
        guard case .operation(.integer(let sum, _)) = answer.content else { throw answer.failure(of: request) }
        return sum
    }

    /// Changes the time after which a key is absent, and leaves its value.
    /// - Parameters:
    ///   - lifetime: from now on; nil means never.
    ///   - timeout: for this operation, as for `get`.
    /// - Returns: whether there was such a key.
    /// - Throws: what `put` throws.
    @discardableResult
    public func touch(
        _ key: Key, lifetime: Duration?, timeout: Duration? = nil
    ) async throws -> Bool {
        let request = Request(key, .touch(.set(try lifetime.map(Self.lifetime) ?? .unlimited)))
        let answer = try await dispatcher.perform(request, timeout: timeout)
        switch answer.content {
        case .operation(.written): return true
        case .operation(.absent): return false
        default: throw answer.failure(of: request)
        }
    }

    // MARK: The cluster

    /// Returns the members and the placement of all partitions, as the node that answers sees them.
    public func ring() async throws -> RingStatus {
        try await status(HTTPCall(.get, "/v1/ring"))
    }

    /// Returns the partition, replicas and leader of a key. The key need not exist.
    public func placement(of key: Key) async throws -> KeyPlacement {
        try await status(HTTPCall(.get, "/v1/ring", parameters: "key=\(percentEncoded(key.bytes))"))
    }

    /// Returns the members, as the node that answers sees them.
    public func nodes() async throws -> [NodeStatus] {
        let list: NodeList = try await status(HTTPCall(.get, "/v1/nodes"))
        return list.nodes
    }

    /// Returns what the node that answers serves during `span`, counted by that node from the request on.
    ///
    /// It is one of the endpoints. To ask a certain node, make a client with its address alone.
    /// - Parameter span: 100 ms to 10 s. The client's timeout counts beside it.
    /// - Throws: `badRequest` for another `span`; `refused` with the code `overloaded` if the node counts for too many
    ///   others.
    public func load(over span: Duration = .seconds(1)) async throws -> LoadStatus {
        let milliseconds = Nanoseconds(span).milliseconds
        // The time is shared out among the endpoints (`Dispatcher.leastShare`), and each needs this much.
        return try await status(
            HTTPCall(.get, "/v1/load", parameters: "over=\(milliseconds)ms"),
            timeout: dispatcher.timeout + .milliseconds(Int64(clamping: milliseconds)) * Dispatcher.leastShare)
    }

    private func status<Status: Decodable>(
        _ call: HTTPCall, timeout: Duration? = nil
    ) async throws -> Status {
        var call = call
        call.waits = false
        return try await dispatcher.document(Request(call), timeout: timeout)
    }
}
