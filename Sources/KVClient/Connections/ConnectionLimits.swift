import NIOCore

/// Limits of the connections to one node.
struct ConnectionLimits: Sendable {
    /// The number of connections of the client protocol that take requests.
    var connections: Int
    /// The number of requests on one of them that have not been answered.
    var depth: Int
    /// The number of requests that wait for a connection; one more is turned away.
    var waiting: Int
    var connectTimeout: TimeAmount
    /// The number of requests on each connection of the client protocol above which another is opened.
    static let spread = 64
    /// Connections that only wait for late answers, of each that takes requests.
    static let retired = 4
    /// A node that does not speak the client protocol is asked by HTTP for so long: its version may change.
    static let httpTime = TimeAmount.seconds(30)
    /// The number of HTTP connections that take requests. As many again may be open that only wait for late answers.
    static let httpConnections = 16
    /// The number of requests on one HTTP connection that have not been answered.
    static let httpDepth = 16
    /// After a failure to open a connection, other nodes are asked first for this long.
    var downTime = TimeAmount.seconds(1)
    /// A connection that was idle for longer is not used again. A node closes one that speaks HTTP after 75 s,
    /// and what is between forgets it: the outcome of a change sent at that moment would be unknown.
    var idleTime = TimeAmount.seconds(60)
}
