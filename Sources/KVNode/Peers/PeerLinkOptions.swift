import KVCore
import NIOCore

/// Times and limits of connections between peers.
package struct PeerLinkOptions: Sendable {
    /// For one address to answer.
    package var connectTimeout = Nanoseconds.milliseconds(2000)
    /// For the other side's part of the handshake, from when the connection stands.
    package var handshakeTimeout = Nanoseconds.milliseconds(5000)
    /// How long what was sent may stay unacknowledged by the other side's kernel before the connection counts as lost.
    /// Without it a connection would take minutes to notice that a cut network is whole again.
    package var acknowledgeTimeout = Nanoseconds.milliseconds(5000)
    /// The pause before the second attempt to connect; each further one doubles it.
    package var minimumBackoff = Nanoseconds.milliseconds(50)
    package var maximumBackoff = Nanoseconds.milliseconds(2000)
    /// Bytes that wait to be sent to one peer, at most, beside one message. At it the link is given up and begun anew.
    /// What leaders send is bounded by a window far below it, and what requests of this node's clients add by
    /// `limits.in_flight`.
    package var queueLimit = 64 << 20
    /// Bytes that may wait already where a value that was asked for is to be sent. Past it a client's read is refused,
    /// which may be tried again, and a replica's is not answered, which is: how many values others ask for together is
    /// not this node's to bound.
    package var valueLimit = 32 << 20
    /// Incoming connections, at most, whose handshake is not done; more are closed.
    package var pendingLimit = 128

    package init() {}

    /// - Parameters:
    ///   - largest: bytes of the largest key and value together.
    ///   - inFlight: bytes of requests of clients that a shard has under way, at most.
    package init(largest: Int, inFlight: Int) {
        valueLimit += largest
        // At most: values up to their limit and the one that reached it; requests; and one change, one record that
        // repairs and one request of another node beside their windows.
        queueLimit += valueLimit + inFlight + 4 * largest
    }

    /// The pause after `failures` attempts in a row: doubling from the minimum to the maximum, then shortened at
    /// random by up to half, so that nodes that lost each other together do not come back together.
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
