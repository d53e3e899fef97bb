import NIOCore

/// Limits of the connections to one node.
struct ConnectionLimits: Sendable {
    /// The number of connections that take requests. As many again may be open that only wait for late answers.
    var connections: Int
    /// The number of requests on one connection that have not been answered.
    var depth: Int
    /// The number of requests that wait for a connection; one more is turned away.
    var waiting: Int
    var connectTimeout: TimeAmount
    /// After a failure to open a connection, other nodes are asked first for this long.
    var downTime = TimeAmount.seconds(1)
    /// A connection that was idle for longer is not used again. A node closes it after 75 s, and the outcome of a
    /// change sent at that moment would be unknown.
    var idleTime = TimeAmount.seconds(60)
}
