import KVCore

/// Times and limits of a connection that speaks the client protocol.
package struct FrameOptions: Sendable {
    /// Requests of one connection that are under way; at it, no more is read.
    package var maximumInFlight = 1024
    /// Bytes of their keys and values, past which no more is read. One request is always taken.
    package var maximumBytesInFlight = 4 << 20
    /// Bytes of answers that wait to be sent, past which no more is begun.
    package var maximumPendingBytes = 4 << 20
    /// A client that does not read its answers is cut off when this has passed without anything having been sent to
    /// it; at the latest when it has passed twice.
    package var stallTimeout = Nanoseconds.milliseconds(15_000)
    /// How long a client that is told that the node stops may take to close the connection, once all is answered.
    package var farewell = Nanoseconds.milliseconds(500)
    package var times = ConnectionTimes()

    package init() {}
}
