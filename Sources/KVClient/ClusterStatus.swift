/// The cluster as one node sees it: `GET /v1/ring`.
public struct RingStatus: Codable, Hashable, Sendable {
    /// The cluster's name.
    public var cluster: String
    /// Of the topology.
    public var epoch: UInt64
    /// How many partitions there are.
    public var partitions: Int
    /// How many replicas a partition has where there are that many nodes.
    public var replicas: Int
    /// The node that coordinates changes of membership; nil where the node that was asked does not know.
    public var coordinator: String?
    public var nodes: [NodeStatus]
    /// Nodes that run and are not admitted yet.
    public var waiting: [WaitingNode]
    /// The change of membership under way.
    public var plan: PlanProgress?
    /// One for each partition, ascending.
    public var assignments: [AssignmentStatus]

    /// As the server writes it: what there is not is null, not left out.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(cluster, forKey: .cluster)
        try fields.encode(epoch, forKey: .epoch)
        try fields.encode(partitions, forKey: .partitions)
        try fields.encode(replicas, forKey: .replicas)
        try fields.encode(coordinator, forKey: .coordinator)
        try fields.encode(nodes, forKey: .nodes)
        try fields.encode(waiting, forKey: .waiting)
        try fields.encode(plan, forKey: .plan)
        try fields.encode(assignments, forKey: .assignments)
    }
}

/// A node that waits to be admitted.
public struct WaitingNode: Codable, Hashable, Sendable {
    public var id: String
    /// `waiting`
    public var state: String
    /// Empty where none is named.
    public var zone: String
    public var weight: Int
    /// `HOST:PORT`.
    public var client: String
    /// `HOST:PORT`.
    public var peer: String
    /// It needs no operator.
    public var admitsItself: Bool

    enum CodingKeys: String, CodingKey {
        case id, state, zone, weight, client, peer
        case admitsItself = "admits_itself"
    }
}

/// A member of the cluster.
public struct NodeStatus: Codable, Hashable, Sendable {
    public var id: String
    /// Never used again, unlike the id.
    public var number: Int
    /// `alive`, `suspect` or `dead`, as the node that was asked sees it; of one that is alive, what is to become of it
    /// where that is not to stay: `joining`, `leaving` or `lost`.
    public var state: String
    /// What is to become of it: `active`, `joining`, `leaving` or `lost`.
    public var standing: String
    /// Empty where none is named.
    public var zone: String
    public var weight: Int
    /// `HOST:PORT`.
    public var client: String
    /// `HOST:PORT`.
    public var peer: String
    /// How many partitions it holds a replica of.
    public var replicas: Int
    /// How many partitions it leads.
    public var leaders: Int
    /// How many keys it holds; nil before its first report.
    public var keys: UInt64?
    /// Bytes of what it holds; nil before its first report.
    public var bytes: UInt64?

    /// As the server writes it: what is unknown is null, not left out.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(id, forKey: .id)
        try fields.encode(number, forKey: .number)
        try fields.encode(state, forKey: .state)
        try fields.encode(standing, forKey: .standing)
        try fields.encode(zone, forKey: .zone)
        try fields.encode(weight, forKey: .weight)
        try fields.encode(client, forKey: .client)
        try fields.encode(peer, forKey: .peer)
        try fields.encode(replicas, forKey: .replicas)
        try fields.encode(leaders, forKey: .leaders)
        try fields.encode(keys, forKey: .keys)
        try fields.encode(bytes, forKey: .bytes)
    }
}

/// Where a partition lives.
public struct AssignmentStatus: Codable, Hashable, Sendable {
    public var partition: Int
    public var firstSlot: Int
    public var lastSlot: Int
    /// Node ids, in order of preference to lead.
    public var replicas: [String]
    /// Node ids of the replica set that it moves to, while it moves.
    public var next: [String]?
    /// Nil where the node that was asked knows of none.
    public var leader: String?

    enum CodingKeys: String, CodingKey {
        case partition, replicas, next, leader
        case firstSlot = "first_slot"
        case lastSlot = "last_slot"
    }

    /// As the server writes it: no leader is null, not left out.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(partition, forKey: .partition)
        try fields.encode(firstSlot, forKey: .firstSlot)
        try fields.encode(lastSlot, forKey: .lastSlot)
        try fields.encode(replicas, forKey: .replicas)
        try fields.encodeIfPresent(next, forKey: .next)
        try fields.encode(leader, forKey: .leader)
    }
}

/// Where a key lives: `GET /v1/ring?key=KEY`.
public struct KeyPlacement: Codable, Hashable, Sendable {
    /// The key as text.
    public var key: String
    public var slot: Int
    public var partition: Int
    /// Node ids, in order of preference to lead.
    public var replicas: [String]
    /// Node ids of the replica set that it moves to, while it moves.
    public var next: [String]?
    /// Nil where the node that was asked knows of none.
    public var leader: String?

    /// As the server writes it: no leader is null, not left out.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(key, forKey: .key)
        try fields.encode(slot, forKey: .slot)
        try fields.encode(partition, forKey: .partition)
        try fields.encode(replicas, forKey: .replicas)
        try fields.encodeIfPresent(next, forKey: .next)
        try fields.encode(leader, forKey: .leader)
    }
}

struct NodeList: Decodable {
    var nodes: [NodeStatus]
}

/// The body of every answer that is an error.
struct ErrorBody: Decodable {
    var error: String
    var message: String
}
