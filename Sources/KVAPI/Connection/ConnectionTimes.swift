import KVCore

/// How long the end of a client's connection may take, whatever protocol it speaks.
package struct ConnectionTimes: Sendable {
    /// How long a client may take to read what is waiting for it.
    package var write = Nanoseconds.milliseconds(60_000)
    /// How long input is discarded after the last reply. A socket that is closed while input waits is reset, which
    /// could cost the client that reply.
    package var linger = Nanoseconds.milliseconds(5000)
    /// The same where the node is stopping: clients that keep idle connections must not hold that up.
    package var drainingLinger = Nanoseconds.milliseconds(500)

    package init() {}
}
