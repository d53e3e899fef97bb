import KVCore

/// The parameters of a large cluster in virtual time.
package struct ScaleScenario: Sendable {
    package var nodes: Int
    package var partitions: Int
    package var replicas = 3
    package var seed: UInt64
    /// Records of each partition, and bytes of their values. They are there from the beginning.
    package var records = 1
    package var valueBytes = 100
    /// How long the failure detector must have held a member dead before the coordinator removes it. (Ten minutes by
    /// default in the product: here it would only be idle time.)
    package var evictAfter = Nanoseconds.milliseconds(5000)
    /// Nodes that wait to be admitted.
    package var spares = 1

    package static let maximumNodes = 4096

    /// - Parameters:
    ///   - nodes: From 3 to `maximumNodes`; other numbers are adjusted.
    ///   - partitions: A power of two up to 16384.
    package init(nodes: Int, partitions: Int, seed: UInt64) {
        self.nodes = min(max(nodes, 3), Self.maximumNodes)
        self.partitions = partitions
        self.seed = seed
    }

    var clusterOptions: ClusterOptions {
        var options = ClusterOptions()
        options.evictAfter = evictAfter
        return options
    }

    /// The first topology, as the product plans it.
    var topology: Topology {
        let members = (1...nodes).map { number in
            let name = "n\(number)"
            return Member(
                number: NodeNumber(UInt16(number)), id: name, client: Address(host: name, port: 7000),
                peer: Address(host: name, port: 7001), zone: "", weight: 1, store: ScaleNode.store(number - 1))
        }
        return Topology.initial(
            clusterID: UUID128(high: 1, low: seed),
            settings: ClusterSettings(name: "large", partitions: partitions, replicas: replicas), members: members)
    }
}
