/// What a cluster agrees on when it is created.
public struct ClusterSettings: Hashable, Sendable {
    public var name: String
    /// P: a power of two, `1 ... 16384`.
    public var partitions: Int
    /// N: how many replicas a partition has, where the cluster has that many nodes.
    public var replicas: Int

    public init(name: String, partitions: Int, replicas: Int) {
        self.name = name
        self.partitions = partitions
        self.replicas = replicas
    }
}

/// A host and port as written: a name, an IPv4 or a (bracketed) IPv6 address.
public struct Address: Hashable, Sendable {
    public var host: String
    public var port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

extension Address: CustomStringConvertible {
    public var description: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

public struct Member: Hashable, Sendable {
    public var number: NodeNumber
    /// The name users know it by: 1-64 of `a-z 0-9 . - _`.
    public var id: String
    /// Where others reach it.
    public var client: Address
    public var peer: Address
    /// Failure domain; empty where none is named.
    public var zone: String
    /// Share of the data relative to other members; positive.
    public var weight: Int

    public init(number: NodeNumber, id: String, client: Address, peer: Address, zone: String, weight: Int) {
        self.number = number
        self.id = id
        self.client = client
        self.peer = peer
        self.zone = zone
        self.weight = weight
    }
}

/// Where one partition lives.
public struct Assignment: Hashable, Sendable {
    /// The replica set, in order of preference to lead.
    public var replicas: [NodeNumber]
    /// The replica set it is moving to, while it moves: majorities of both are needed then.
    public var next: [NodeNumber]?
    /// The epoch that last changed this assignment.
    public var changed: Epoch

    public init(replicas: [NodeNumber], next: [NodeNumber]? = nil, changed: Epoch) {
        self.replicas = replicas
        self.next = next
        self.changed = changed
    }
}

/// The epoched document that says who the members are and where each partition lives.
public struct Topology: Hashable, Sendable {
    public var clusterID: UUID128
    public var epoch: Epoch
    public var settings: ClusterSettings
    /// Ascending by number.
    public var members: [Member]
    /// One for each partition, by its number.
    public var assignments: [Assignment]

    public init(
        clusterID: UUID128, epoch: Epoch, settings: ClusterSettings, members: [Member], assignments: [Assignment]
    ) {
        self.clusterID = clusterID
        self.epoch = epoch
        self.settings = settings
        self.members = members
        self.assignments = assignments
    }

    public func member(_ number: NodeNumber) -> Member? { members.first { $0.number == number } }
    public func member(named id: String) -> Member? { members.first { $0.id == id } }
}
