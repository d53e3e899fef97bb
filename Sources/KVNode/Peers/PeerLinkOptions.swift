import KVCore
import NIOCore

/// Times and limits of connections between peers.
package struct PeerLinkOptions: Sendable {
    /// The time for one address to answer.
    package var connectTimeout = Nanoseconds.milliseconds(2000)
    /// The time for the other side's part of the handshake, once connected.
    package var handshakeTimeout = Nanoseconds.milliseconds(5000)
    /// The time that sent data may stay unacknowledged by the other side's kernel before the connection counts as lost.
    /// Without it a connection would take minutes to notice that a cut network works again.
    package var acknowledgeTimeout = Nanoseconds.milliseconds(5000)
    /// The pause before the second attempt to connect; each further one doubles it.
    package var minimumBackoff = Nanoseconds.milliseconds(50)
    package var maximumBackoff = Nanoseconds.milliseconds(2000)
    /// The most bytes that may wait to be sent to one peer, not counting one message. At this limit the link is closed
    /// and connects again. Leaders send within a window far below it, and requests of this node's clients are bounded
    /// by `limits.in_flight`.
    package var queueLimit = 64 << 20
    /// The queued bytes beyond which no requested value is sent. A client's read is then refused, and may be tried
    /// again. A replica's read is not answered, and the replica tries again. This node cannot bound how many values
    /// others request at a time.
    package var valueLimit = 32 << 20
    /// The most incoming connections that have not done their handshake; others are closed.
    package var pendingLimit = 128

    package init() {}

    /// - Parameters:
    ///   - largest: the size of the largest key and value together. Bytes.
    ///   - inFlight: the most bytes of clients' requests that a shard has under way.
    package init(largest: Int, inFlight: Int) {
        valueLimit += largest
        // The queue holds at most: values up to their limit and the one that reached it; requests; and one change, one
        // repairing record and one request of another node beyond their windows.
        queueLimit += valueLimit + inFlight + 4 * largest
    }

    /// The pause after `failures` failed attempts in a row. It doubles from the minimum to the maximum, and is
    /// shortened at random by up to half, so that nodes that lost each other at once do not connect at once.
    func backoff(failures: Int, using random: inout some RandomNumberGenerator) -> Nanoseconds {
        let shift = min(max(failures - 1, 0), 32)
        let (product, overflow) = minimumBackoff.nanoseconds.multipliedReportingOverflow(by: 1 << UInt64(shift))
        let full = min(overflow ? .max : product, maximumBackoff.nanoseconds)
        return Nanoseconds(nanoseconds: UInt64.random(in: full / 2...full, using: &random))
    }
}

extension TimeAmount {
    init(_ span: Nanoseconds) { self = .nanoseconds(Int64(clamping: span.nanoseconds)) }
}
