import KVCore
import KVWire

/// What each node has sent and received, by kind of message. Bytes are those of the encodings that the product sends,
/// without the headers of frames, IP, TCP and UDP.
struct Traffic {
    struct Count {
        var messages = 0
        var bytes = 0
    }

    /// By kind, then by machine.
    private(set) var sent: [[Count]]
    private(set) var received: [[Count]]
    /// By machine: datagrams and frames, of which a node sends at most one to each other one in a millisecond.
    private(set) var packets: [Int]

    init(machines: Int) {
        sent = Array(repeating: Array(repeating: Count(), count: machines), count: MessageKind.allCases.count)
        received = sent
        packets = Array(repeating: 0, count: machines)
    }

    func bytesSent(by node: Int) -> Int { sent.reduce(0) { $0 + $1[node].bytes } }

    func bytesReceived(by node: Int) -> Int { received.reduce(0) { $0 + $1[node].bytes } }

    mutating func count(_ kind: MessageKind, bytes: Int, from: Int, to: Int?, isPacket: Bool) {
        sent[kind.rawValue][from].messages += 1
        sent[kind.rawValue][from].bytes += bytes
        if isPacket { packets[from] += 1 }
        guard let to else { return }
        received[kind.rawValue][to].messages += 1
        received[kind.rawValue][to].bytes += bytes
    }
}

/// The sizes of messages, by the product's encoders.
struct MessageSizes {
    private var encoded = EncodedMessage()
    /// The sizes of the newest topology and of the newest changes that were sent. All nodes are sent the same.
    private var topology: (epoch: Epoch, bytes: Int)?
    private var changes: (base: Epoch, epoch: Epoch, bytes: Int)?

    mutating func bytes(_ message: PeerMessage) -> Int {
        switch message {
        case .node(.cluster(.topology(let next))):
            if let topology, topology.epoch == next.epoch { return topology.bytes }
            topology = (next.epoch, encode(message))
            return topology?.bytes ?? 0
        case .node(.cluster(.topologyChanges(let list))):
            let (base, epoch) = (list.first?.base ?? 0, list.last?.epoch ?? 0)
            if let changes, changes.base == base, changes.epoch == epoch { return changes.bytes }
            changes = (base, epoch, encode(message))
            return changes?.bytes ?? 0
        default: return encode(message)
        }
    }

    private mutating func encode(_ message: PeerMessage) -> Int {
        encoded.encode(message)
        return encoded.byteCount
    }

    /// The size of a `hello` and of a `welcome`, about the same, of a node that has started a few times.
    static let handshake: Int = {
        let lines = ["cluster.name", "cluster.partitions", "cluster.replicas", "limits.key", "limits.value"]
        let introduction = Introduction(
            clusterID: UUID128(high: 1, low: 1), clusterName: "large", node: NodeNumber(1000), nodeID: "n1000",
            store: UUID128(high: 1, low: 1), boot: 3, epoch: 1000,
            agreement: lines.map { AgreementLine(path: $0, value: "16384") },
            starts: (1...3).map { ProcessStart(boot: $0, nonce: .max) }, progress: [1 << 20], wall: 1 << 40)
        return (try? Handshake.welcome(introduction).frame().readableBytes) ?? 0
    }()
}

extension TopologyCoding {
    /// The product's encoding.
    static let wire = TopologyCoding(
        encode: { TopologyCodec.encode($0, format: $1 ? TopologyCodec.format : TopologyCodec.formatWithoutRuns) },
        decode: { try? TopologyCodec.decode($0) })
}
