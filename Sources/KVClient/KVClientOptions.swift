import KVModel

/// The options of a client. Values out of range are brought into it.
public struct KVClientOptions: Hashable, Sendable {
    /// The time for each operation in all, unless the call has its own; from `KVClient.minimumTimeout` to
    /// `KVClient.maximumTimeout`.
    public var timeout = KVClient.defaultTimeout
    /// The number of connections to one node at most, `1 ... 1024`. One carries many requests; another is opened when
    /// 64 are under way on each, so that more than one event loop has work.
    public var connectionsPerNode = 4
    /// The number of unanswered requests on one connection at most, `1 ... 1024`. A node may allow fewer.
    public var requestsPerConnection = 1024
    /// The number of requests that wait for each connection to a node at most, `1 ... 1,000,000`; one more is refused
    /// (`too_many_waiting`).
    public var maximumWaiting = 10_000
    /// The time to open a connection, in the same range as `timeout`. A request does not spend more than its share of
    /// `timeout` on it.
    public var connectTimeout = Duration.seconds(2)
    /// Whether operations on keys go to the leaders of their partitions, at the addresses that the nodes advertise. If
    /// false, they go to the endpoints only; for networks in which the nodes cannot be reached otherwise.
    public var followsLeaders = true

    public init() {}

    var capped: Self {
        var options = self
        options.timeout = timeout.clampedTimeout
        options.connectionsPerNode = min(max(connectionsPerNode, 1), 1024)
        options.requestsPerConnection = min(max(requestsPerConnection, 1), 1024)
        options.maximumWaiting = min(max(maximumWaiting, 1), 1_000_000)
        options.connectTimeout = connectTimeout.clampedTimeout
        return options
    }
}

extension Duration {
    /// The time, brought into the range of a timeout.
    var clampedTimeout: Self { min(max(self, KVClient.minimumTimeout), KVClient.maximumTimeout) }

    /// The seconds that a node reports, at most as many as `components` can return.
    init(wholeSeconds: UInt64) { self = .seconds(Int64(clamping: wholeSeconds)) }
}
