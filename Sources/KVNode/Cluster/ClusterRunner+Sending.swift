import KVCore
import KVWire

/// The newest topology that was sent, and the latest changes, each encoded once for all peers.
struct TopologyEncodings {
    private var topology: (epoch: Epoch, message: EncodedMessage)?
    private var changes: (base: Epoch, epoch: Epoch, message: EncodedMessage)?

    mutating func encode(_ next: Topology) -> EncodedMessage {
        if let topology, topology.epoch == next.epoch { return topology.message }
        let message = EncodedMessage(versioned: .node(.cluster(.topology(next))))
        topology = (next.epoch, message)
        return message
    }

    mutating func encode(_ list: [TopologyChange]) -> EncodedMessage {
        let (base, epoch) = (list.first?.base ?? 0, list.last?.epoch ?? 0)
        if let changes, changes.base == base, changes.epoch == epoch { return changes.message }
        let message = EncodedMessage(.node(.cluster(.topologyChanges(list))))
        changes = (base, epoch, message)
        return message
    }
}

extension ClusterRunner {
    func send(_ message: ClusterMessage, to peer: NodeNumber) {
        let message =
            switch message {
            case .topology(let topology): encodings.encode(topology)
            case .topologyChanges(let changes): encodings.encode(changes)
            default: EncodedMessage(.node(.cluster(message)))
            }
        let runner = parts.runners[0]
        runner.loop.execute { runner.send(message, to: peer) }
    }
}
