import KVCore

/// The identity of this process.
struct NodeIdentity: Sendable {
    let number: NodeNumber
    let id: String
    let store: UUID128
    /// The number of this start; above that of every earlier process on this data directory.
    let boot: UInt64
}

/// The members' ids, and their addresses for clients.
struct MemberNames {
    /// The ids by number: every reply needs one.
    private var names: [String?]
    private let clients: [NodeNumber: Address]

    init(_ topology: Topology) {
        // Removed members are included: their last answers may still be on their way.
        let known = topology.removed.map { ($0.number, $0.id) } + topology.members.map { ($0.number, $0.id) }
        names = Array(repeating: nil, count: known.reduce(0) { max($0, Int($1.0.raw) + 1) })
        for (number, id) in known { names[Int(number.raw)] = id }
        clients = Dictionary(topology.members.map { ($0.number, $0.client) }) { $1 }
    }

    subscript(node: NodeNumber) -> String {
        (Int(node.raw) < names.count ? names[Int(node.raw)] : nil) ?? "\(node)"
    }

    func client(of node: NodeNumber) -> Address? { clients[node] }
}
