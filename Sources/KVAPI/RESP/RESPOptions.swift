import KVCore

/// Times and limits of a connection that speaks the Redis protocol.
package struct RESPOptions: Sendable {
    /// How long a command may wait for its leader and its answer.
    package var timeout = RequestOptions.defaultTimeout
    /// Commands of one connection that are under way or wait for an earlier one; at it, no more is read.
    package var maximumInFlight = 1024
    /// Bytes of their keys and values, past which no more is read. One command is always taken.
    package var maximumBytesInFlight = 4 << 20
    /// Bytes of replies that wait for an earlier one or to be sent, past which no more is begun.
    package var maximumPendingBytes = 4 << 20
    /// Bytes of requests that are read ahead of a client that sends and does not read replies.
    package var maximumUnreadBytes = 32 << 20
    /// A client that does not read replies, and of whose requests no more may wait, is cut off when this has passed
    /// without anything having been sent to it; at the latest when it has passed twice.
    package var stallTimeout = Nanoseconds.milliseconds(15_000)
    /// Bytes of the values that one command may answer with (`MGET`).
    package var maximumGatheredBytes = 64 << 20
    /// Bytes of one request; a larger one is refused. It is raised where one key and value would not fit twice.
    package var maximumRequestBytes = 32 << 20
    /// Bytes of the keys that one `KEYS` may answer with.
    package var maximumListedBytes = 64 << 20
    /// Steps of matching keys with a pattern after which others have their turn.
    package var matchingSlice = 1 << 20
    /// Deletes of one `FLUSHALL` that are under way.
    package var flushWidth = 256
    /// Cursors of `SCAN` whose last keys are remembered, on a node.
    package var rememberedCursors = 4096
    package var times = ConnectionTimes()

    package init() {}
}
