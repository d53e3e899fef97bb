import NIOCore

/// Limits of the connections to one node.
struct ConnectionLimits: Sendable {
    /// Connections that take requests. As many again may be open that only wait for answers.
    var connections: Int
    /// Requests on one connection that are not answered yet.
    var depth: Int
    /// Requests that wait for a connection; the one after them is turned away.
    var waiting: Int
    var connectTimeout: TimeAmount
    /// How long others are asked first after no connection could be opened.
    var downTime = TimeAmount.seconds(1)
    /// A connection that was idle for longer is not used again: a node closes it after 75 s, and a change sent at that
    /// moment would be in doubt.
    var idleTime = TimeAmount.seconds(60)
}
