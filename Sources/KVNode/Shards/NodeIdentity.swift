import KVCore

/// Who this process is.
struct NodeIdentity: Sendable {
    let number: NodeNumber
    let id: String
    let store: UUID128
    /// Above that of every process before it on this data directory.
    let boot: UInt64
}

/// What members are called, and where clients reach them.
struct MemberNames {
    private let names: [NodeNumber: String]
    private let clients: [NodeNumber: Address]

    init(_ topology: Topology) {
        var names: [NodeNumber: String] = [:]
        // Of those who are gone, too: their last answers may still be on their way.
        for member in topology.removed { names[member.number] = member.id }
        for member in topology.members { names[member.number] = member.id }
        self.names = names
        clients = Dictionary(topology.members.map { ($0.number, $0.client) }) { $1 }
    }

    subscript(node: NodeNumber) -> String { names[node] ?? "\(node)" }

    func client(of node: NodeNumber) -> Address? { clients[node] }
}
