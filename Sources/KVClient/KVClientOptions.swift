import KVModel

/// How a client behaves. What is out of range is brought into it.
public struct KVClientOptions: Hashable, Sendable {
    /// For each operation in all, unless it is given its own: `1 ms ... KVClient.maximumTimeout`.
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
    /// To open a connection, `1 ms ... KVClient.maximumTimeout`. A request does not spend more than its share of
    /// `timeout` on it.
    public var connectTimeout = Nanoseconds.milliseconds(2000)
    /// Whether operations on keys go to the leaders of their partitions, at the addresses that the nodes advertise.
    /// False sends them to the endpoints alone, for where the nodes can be reached in no other way.
    public var followsLeaders = true

    public init() {}

    var capped: Self {
        var options = self
        options.timeout = min(max(timeout, .milliseconds(1)), KVClient.maximumTimeout)
        options.connectionsPerNode = min(max(connectionsPerNode, 1), 1024)
        options.pipelineDepth = min(max(pipelineDepth, 1), 256)
        options.maximumWaiting = min(max(maximumWaiting, 1), 1_000_000)
        options.connectTimeout = min(max(connectTimeout, .milliseconds(1)), KVClient.maximumTimeout)
        return options
    }
}
