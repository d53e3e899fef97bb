import KVCore

/// Times and limits of an HTTP connection.
public struct HTTPOptions: Sendable {
    /// How long a connection may stay open between requests.
    public var idleTimeout = Span.milliseconds(75_000)
    /// How long a request's head may take to arrive, from the read after which it was incomplete (slowloris): 408.
    public var headTimeout = Span.milliseconds(10_000)
    /// How long a request's body may take to arrive: 408.
    public var bodyTimeout = Span.milliseconds(60_000)
    /// How long a client may take to read what is waiting for it.
    public var writeTimeout = Span.milliseconds(60_000)
    /// How long what a client still sends is discarded after the last answer, which a reset could cost it otherwise.
    public var lingerTimeout = Span.milliseconds(5000)
    /// The same where the node is stopping: clients that keep idle connections must not hold that up.
    public var drainingLingerTimeout = Span.milliseconds(500)
    /// Requests that may wait behind the one under way; the one after them is refused, and the connection closed.
    public var maximumPipelined = 1024
    /// Names and values of all header fields and the request line, in bytes: 431.
    public var maximumHeadBytes = 32 * 1024
    /// Header fields of one request: 431.
    public var maximumHeaderFields = 100

    public init() {}
}
