/// The cluster as one node sees it: `GET /v1/ring`.
public struct RingStatus: Codable, Hashable, Sendable {
    /// The cluster's name.
    public var cluster: String
    /// The topology's epoch.
    public var epoch: UInt64
    /// The number of partitions now, those included that splits have made.
    public var partitions: Int
    /// The number of replicas of a partition; fewer if there are fewer nodes.
    public var replicas: Int
    /// The id of the node that coordinates changes of membership; nil if the node that answered does not know it.
    public var coordinator: String?
    public var nodes: [NodeStatus]
    /// Nodes that run and have not been admitted yet.
    public var waiting: [WaitingNode]
    /// The plan that is under way.
    public var plan: PlanProgress?
    /// One for each partition, in the order of their slots.
    public var assignments: [AssignmentStatus]

    /// Encodes as the server does: an absent value is null and not left out.
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
    /// Empty if the node has none.
    public var zone: String
    public var weight: Int
    /// `HOST:PORT`.
    public var client: String
    /// `HOST:PORT`.
    public var peer: String
    /// The node joins without an operator.
    public var admitsItself: Bool

    enum CodingKeys: String, CodingKey {
        case id, state, zone, weight, client, peer
        case admitsItself = "admits_itself"
    }
}

/// A member of the cluster.
public struct NodeStatus: Codable, Hashable, Sendable {
    public var id: String
    /// The number of the node, which is never used again. (An id may be.)
    public var number: Int
    /// `alive`, `suspect` or `dead`, as the node that answered sees it. For a node that is alive and not active, this
    /// is its `standing`.
    public var state: String
    /// What the topology says about the member: `active`, `joining`, `leaving` or `lost`.
    public var standing: String
    /// Empty if the node has none.
    public var zone: String
    public var weight: Int
    /// `HOST:PORT`.
    public var client: String
    /// `HOST:PORT`.
    public var peer: String
    /// The number of partitions of which the node holds a replica.
    public var replicas: Int
    /// The number of partitions that the node leads.
    public var leaders: Int
    /// The number of keys that the node holds; nil before its first report.
    public var keys: UInt64?
    /// The bytes of these keys and their values; nil before the node's first report.
    public var bytes: UInt64?

    /// Encodes as the server does: an unknown value is null and not left out.
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

/// The replicas and the leader of a partition.
public struct AssignmentStatus: Codable, Hashable, Sendable {
    /// The partition's number, which it keeps for good. Splits give the upper half of a partition's slots to a new one,
    /// so numbers do not ascend with the slots then; and the number of partitions at creation is nobody's.
    public var partition: Int
    public var firstSlot: Int
    public var lastSlot: Int
    /// Node ids, in order of preference to lead.
    public var replicas: [String]
    /// Node ids of the replica set to which the partition moves; nil if it does not move.
    public var next: [String]?
    /// Nil if the node that answered knows none.
    public var leader: String?

    enum CodingKeys: String, CodingKey {
        case partition, replicas, next, leader
        case firstSlot = "first_slot"
        case lastSlot = "last_slot"
    }

    /// Encodes as the server does: an unknown leader is null and not left out.
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

/// The partition, replicas and leader of a key: `GET /v1/ring?key=KEY`.
public struct KeyPlacement: Codable, Hashable, Sendable {
    /// The key as text.
    public var key: String
    public var slot: Int
    public var partition: Int
    /// Node ids, in order of preference to lead.
    public var replicas: [String]
    /// Node ids of the replica set to which the partition moves; nil if it does not move.
    public var next: [String]?
    /// Nil if the node that answered knows none.
    public var leader: String?

    /// Encodes as the server does: an unknown leader is null and not left out.
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
