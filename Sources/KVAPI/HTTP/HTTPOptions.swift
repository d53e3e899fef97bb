import KVCore

/// Times and limits of an HTTP connection.
package struct HTTPOptions: Sendable {
    /// How long a connection may stay open between requests.
    package var idleTimeout = Nanoseconds.milliseconds(75_000)
    /// How long a request's head may take to arrive, from the read after which it was incomplete (slowloris): 408.
    package var headTimeout = Nanoseconds.milliseconds(10_000)
    /// How long a request's body may take to arrive: 408.
    package var bodyTimeout = Nanoseconds.milliseconds(60_000)
    package var times = ConnectionTimes()
    /// Requests that may wait behind the one under way; the one after them is refused, and the connection closed.
    package var maximumPipelined = 1024
    /// Names and values of all header fields and the request line, in bytes: 431.
    package var maximumHeadBytes = 32 * 1024
    /// Header fields of one request: 431.
    package var maximumHeaderFields = 100

    package init() {}
}
