import KVModel

/// The leader and the replicas of each partition, as a node reported them and as later answers have corrected them.
struct RouteMap: Sendable {
    struct Node: Sendable {
        var id: String
        /// Nil if the address that the node advertises cannot be used from here.
        var pool: NodePool?
        /// The node that answered believed it to be alive.
        var isUp: Bool
    }

    let nodes: [Node]
    /// The replicas of each partition as indices of `nodes`, in order of preference to lead.
    private let replicas: [[Int]]
    /// The leader of each partition as an index of `nodes`.
    private var leaders: [Int?]
    private let indices: [String: Int]
    /// The index of the partition that has each slot.
    private let owners: [UInt16]

    /// Nil if the partitions do not have all slots between them, each one once and one after the other.
    /// - Parameter pool: returns the pool for a member's address; nil if it cannot be used from here.
    init?(_ ring: RingDocument, pool: (Address) -> NodePool?) {
        guard ring.assignments.count <= Slot.count else { return nil }
        var owners: [UInt16] = []
        owners.reserveCapacity(Slot.count)
        for (index, assignment) in ring.assignments.enumerated() {
            guard assignment.firstSlot == owners.count,
                (assignment.firstSlot..<Slot.count).contains(assignment.lastSlot)
            else { return nil }
            owners.append(
                contentsOf: repeatElement(
                    UInt16(truncatingIfNeeded: index), count: assignment.lastSlot - assignment.firstSlot + 1))
        }
        guard owners.count == Slot.count else { return nil }
        self.owners = owners
        nodes = ring.nodes.map { node in
            Node(id: node.id, pool: Address(hostPort: node.client).flatMap(pool), isUp: node.isUp)
        }
        let indices = Dictionary(zip(nodes.map(\.id), nodes.indices)) { first, _ in first }
        self.indices = indices
        replicas = ring.assignments.map { $0.replicas.compactMap { indices[$0] } }
        leaders = ring.assignments.map { $0.leader.flatMap { indices[$0] } }
    }

    /// The node to ask about a slot: the leader, or else the first replica, which may be the next leader. Nil if none
    /// of them can be asked.
    func node(for slot: Slot, isUsable: (Node) -> Bool) -> Node? {
        let partition = partition(slot)
        if let leader = leaders[partition], isUsable(nodes[leader]) { return nodes[leader] }
        return replicas[partition].lazy.map { nodes[$0] }.first { $0.isUp && isUsable($0) }
    }

    /// A replica of a slot, a different one for each `turn`; nil if none of them can be asked.
    func replica(for slot: Slot, turn: Int, isUsable: (Node) -> Bool) -> Node? {
        let replicas = replicas[partition(slot)]
        for offset in replicas.indices {
            let node = nodes[replicas[(turn + offset) % replicas.count]]
            if node.isUp, isUsable(node) { return node }
        }
        return nil
    }

    /// Records that a node has acted as leader.
    /// - Returns: false if no such node is known.
    mutating func heard(_ id: String, leads slot: Slot) -> Bool {
        guard let index = indices[id] else { return false }
        leaders[partition(slot)] = index
        return true
    }

    private func partition(_ slot: Slot) -> Int { Int(owners[Int(slot.raw)]) }
}

/// The part of `GET /v1/ring` that routing needs.
struct RingDocument: Decodable {
    struct Node: Decodable {
        var id: String
        var state: String
        /// `HOST:PORT`
        var client: String

        var isUp: Bool { state != "suspect" && state != "dead" }
    }

    struct Assignment: Decodable {
        var firstSlot: Int
        var lastSlot: Int
        var replicas: [String]
        var leader: String?

        enum CodingKeys: String, CodingKey {
            case replicas, leader
            case firstSlot = "first_slot"
            case lastSlot = "last_slot"
        }
    }

    var nodes: [Node]
    /// In the order of their slots.
    var assignments: [Assignment]
}

extension Address {
    /// Reads `HOST:PORT` or `[HOST]:PORT`; nil if the text is neither.
    init?(hostPort text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65535).contains(port)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self.init(host: String(host), port: port)
    }

    /// Whether the address means the machine on which it is used.
    var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

    /// Whether a server can listen at the address, but nobody can connect to it.
    var isUnspecified: Bool { host == "0.0.0.0" || host == "::" }
}
