import KVModel

/// How a client behaves. What is out of range is brought into it.
public struct KVClientOptions: Hashable, Sendable {
    /// For each operation in all, unless it is given its own: `KVClient.minimumTimeout ... KVClient.maximumTimeout`.
    public var timeout = KVClient.defaultTimeout
    /// Connections to one node, `1 ... 1024`. They are opened as requests need them: a node carries out the requests of
    /// one connection one after the other.
    public var connectionsPerNode = 16
    /// Requests that may be on one connection at a time, `1 ... 256`; 1 means no pipelining. They are queued on busy
    /// connections only where there may be no more of those.
    public var pipelineDepth = 16
    /// Requests that may wait for a connection to one node, `1 ... 1,000,000`; one more is refused
    /// (`too_many_waiting`).
    public var maximumWaiting = 10_000
    /// To open a connection, in the same range. A request does not spend more than its share of
    /// `timeout` on it.
    public var connectTimeout = Duration.seconds(2)
    /// Whether operations on keys go to the leaders of their partitions, at the addresses that the nodes advertise.
    /// False sends them to the endpoints alone, for where the nodes can be reached in no other way.
    public var followsLeaders = true

    public init() {}

    var capped: Self {
        var options = self
        options.timeout = timeout.clampedTimeout
        options.connectionsPerNode = min(max(connectionsPerNode, 1), 1024)
        options.pipelineDepth = min(max(pipelineDepth, 1), 256)
        options.maximumWaiting = min(max(maximumWaiting, 1), 1_000_000)
        options.connectTimeout = connectTimeout.clampedTimeout
        return options
    }
}

extension Duration {
    /// Brought into the range of a timeout.
    var clampedTimeout: Self { min(max(self, KVClient.minimumTimeout), KVClient.maximumTimeout) }

    /// As a node counts them, and no more than `components` can tell.
    init(wholeSeconds: UInt64) { self = .seconds(Int64(clamping: wholeSeconds)) }
}
