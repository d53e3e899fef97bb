import KVCore

/// The parameters of a network of failure detectors.
package struct GossipScenario: Sendable {
    package var nodes: Int
    package var seed: UInt64
    package var options = SwimOptions()
    /// The delay of a datagram in milliseconds. Most have the shortest.
    package var delay: ClosedRange<UInt64> = 1...5
    /// The probability that a datagram is lost.
    package var loss = 0.0
    /// The nodes know each other's incarnations from the beginning. Otherwise all start at once, and each tells the
    /// others of its own.
    package var isEstablished = false
    /// Milliseconds that a node needs to fetch a topology that it has heard of.
    package var fetch: UInt64 = 10

    /// - Parameter nodes: From 2 to `maximumNodes`; other numbers are adjusted.
    package init(nodes: Int, seed: UInt64) {
        self.nodes = min(max(nodes, 2), Self.maximumNodes)
        self.seed = seed
    }

    package static let maximumNodes = 10_000
}
