import KVCore

/// A network of failure detectors and what happens to it.
package struct GossipScenario: Sendable {
    package var nodes: Int
    package var seed: UInt64
    package var options = SwimOptions()
    /// Of a datagram's way, in milliseconds: mostly the least.
    package var delay: ClosedRange<UInt64> = 1...5
    /// Of all datagrams.
    package var loss = 0.0
    /// All have begun long ago and know each other. Otherwise they all begin at once, and each has to tell all others.
    package var isEstablished = false
    /// How long a node takes to fetch a topology that it has heard of.
    package var fetch: UInt64 = 10

    /// - Parameter nodes: at least 2, at most `maximumNodes`.
    package init(nodes: Int, seed: UInt64) {
        self.nodes = min(max(nodes, 2), Self.maximumNodes)
        self.seed = seed
    }

    package static let maximumNodes = 10_000
}
