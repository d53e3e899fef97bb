/// What a node tells its peers of itself as a whole: what its machine's clock shows, and how much the node holds if
/// that has changed. It goes along with what shards tell each other, heartbeats mostly, so it takes no more than these,
/// however many members there are.
package struct NodeNews: Sendable {
    /// How often a peer is told, at most.
    package static let interval = Nanoseconds.milliseconds(900)

    /// The usage that each peer was told last.
    private var usages: [NodeNumber: PartitionUsage] = [:]
    /// When each peer was told last.
    private var told: [NodeNumber: Instant] = [:]

    package init() {}

    /// The messages that go to a peer along with a message of a shard.
    ///
    /// - Parameters:
    ///   - wall: The time of the machine's clock. Nil if the peer does not know the message, because it is of the
    ///     previous version of the protocol.
    ///   - usage: How much the node holds, if that is known.
    package mutating func next(
        for peer: NodeNumber, wall: @autoclosure () -> UInt64?, usage: PartitionUsage?, now: Instant
    ) -> [NodeMessage] {
        guard told[peer].map({ now - $0 >= Self.interval }) ?? true else { return [] }
        told[peer] = now
        var messages = wall().map { [NodeMessage.clock(wall: $0)] } ?? []
        if let usage, usages[peer] != usage {
            usages[peer] = usage
            messages.append(.usageReport(usage))
        }
        return messages
    }

    /// The peer is to be told everything anew, or is no member any more.
    package mutating func forget(_ peer: NodeNumber) {
        usages[peer] = nil
        told[peer] = nil
    }
}
