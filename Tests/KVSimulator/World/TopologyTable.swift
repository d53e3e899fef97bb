import KVCore

/// Encodes topologies for the register: an encoded topology is its number in this table. The table also checks that no
/// two topologies of one epoch are adopted.
final class TopologyTable: @unchecked Sendable {
    // A run has one thread.
    private var encoded: [Topology] = []
    private var adopted: [Epoch: Topology] = [:]

    var coding: TopologyCoding {
        TopologyCoding(encode: { topology, _ in self.encode(topology) }, decode: { self.decode($0) })
    }

    private func encode(_ topology: Topology) -> [UInt8] {
        encoded.append(topology)
        return Array(String(encoded.count - 1).utf8)
    }

    private func decode(_ bytes: [UInt8]) -> Topology? {
        Int(String(decoding: bytes, as: UTF8.self)).flatMap { encoded.indices.contains($0) ? encoded[$0] : nil }
    }

    /// The topologies of later epochs that were proposed. They may have been chosen without being adopted yet.
    func proposed(after epoch: Epoch) -> [Topology] { encoded.filter { $0.epoch > epoch } }

    /// Notes that a topology was adopted. False if another one of the same epoch was adopted before.
    func isOnly(_ topology: Topology) -> Bool {
        let known = adopted[topology.epoch] ?? topology
        adopted[topology.epoch] = known
        return known == topology
    }
}
