import KVCore

/// Stands for the bytes of topologies: each is its number in this table. Remembers what was adopted, to see that an
/// epoch has one topology only.
final class TopologyTable: @unchecked Sendable {
    // One run is one thread.
    private var encoded: [Topology] = []
    private var adopted: [Epoch: Topology] = [:]

    var coding: TopologyCoding {
        TopologyCoding(encode: { self.encode($0) }, decode: { self.decode($0) })
    }

    private func encode(_ topology: Topology) -> [UInt8] {
        encoded.append(topology)
        return Array(String(encoded.count - 1).utf8)
    }

    private func decode(_ bytes: [UInt8]) -> Topology? {
        Int(String(decoding: bytes, as: UTF8.self)).flatMap { encoded.indices.contains($0) ? encoded[$0] : nil }
    }

    /// What may have been chosen and not been adopted by anybody.
    func proposed(after epoch: Epoch) -> [Topology] { encoded.filter { $0.epoch > epoch } }

    /// False where another topology of the same epoch is known.
    func isOnly(_ topology: Topology) -> Bool {
        let known = adopted[topology.epoch] ?? topology
        adopted[topology.epoch] = known
        return known == topology
    }
}
