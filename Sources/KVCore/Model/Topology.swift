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

/// Where one partition lives.
public struct Assignment: Hashable, Sendable {
    /// The replica set, in order of preference to lead.
    public var replicas: [NodeNumber]
    /// The replica set it is moving to, while it moves: majorities of both are needed then.
    public var next: [NodeNumber]?
    /// The epoch that last changed this assignment. It names the configuration in requests between replicas.
    public var changed: Epoch
    /// For everyone in either set, in the order of `members`: the epoch since which it has belonged without a gap. A
    /// replica whose data is of another epoch begins again from nothing.
    public var since: [Epoch]

    /// - Parameter since: everyone's is `changed` where it is left out.
    public init(replicas: [NodeNumber], next: [NodeNumber]? = nil, changed: Epoch, since: [Epoch]? = nil) {
        self.replicas = replicas
        self.next = next
        self.changed = changed
        self.since = []
        self.since = since ?? members.map { _ in changed }
    }

    /// Everyone in either set: the present one first, each in its order.
    public var members: [NodeNumber] {
        guard let next else { return replicas }
        return replicas + next.filter { !replicas.contains($0) }
    }

    /// Nil for a node in neither set.
    public func since(_ node: NodeNumber) -> Epoch? {
        guard let index = members.firstIndex(of: node), index < since.count else { return nil }
        return since[index]
    }

    /// The same place under another configuration: who stays keeps its epoch, who comes begins with this one.
    public func changing(to replicas: [NodeNumber], next: [NodeNumber]?, at epoch: Epoch) -> Assignment {
        var changed = Assignment(replicas: replicas, next: next, changed: epoch)
        changed.since = changed.members.map { since($0) ?? epoch }
        return changed
    }
}

/// The epoched document that says who the members are and where each partition lives.
///
/// It is itself a register of the store, under the same protocol: the key `Topology.key` of the partition
/// `councilPartition`, whose replicas are the council. Nodes act on a topology only once it is known to be chosen.
public struct Topology: Hashable, Sendable {
    public var clusterID: UUID128
    public var epoch: Epoch
    public var settings: ClusterSettings
    /// Ascending by number.
    public var members: [Member]
    /// The highest number given to a member so far: numbers are never used again.
    public var lastNumber: NodeNumber
    /// Who was a member: neither they nor their stores return under the same number. Ascending by number.
    public var removed: [RemovedMember]
    /// One for each partition, by its number.
    public var assignments: [Assignment]
    /// Where the topology itself lives: an odd number of members, at most `maximumCouncil`.
    public var council: Assignment
    /// The change under way.
    public var plan: ChangePlan?

    public static let maximumCouncil = 5
    /// The register's key in the council's partition.
    public static let key = Key("topology")

    public init(
        clusterID: UUID128, epoch: Epoch, settings: ClusterSettings, members: [Member], lastNumber: NodeNumber? = nil,
        removed: [RemovedMember] = [], assignments: [Assignment], council: Assignment, plan: ChangePlan? = nil
    ) {
        self.clusterID = clusterID
        self.epoch = epoch
        self.settings = settings
        self.members = members
        self.lastNumber = lastNumber ?? members.last?.number ?? NodeNumber(0)
        self.removed = removed
        self.assignments = assignments
        self.council = council
        self.plan = plan
    }

    public func member(_ number: NodeNumber) -> Member? { members.first { $0.number == number } }

    /// While one member replaces another of the same name, the newcomer.
    public func member(named id: String) -> Member? { members.last { $0.id == id } }

    public func member(withStore store: UUID128) -> Member? { members.first { $0.store == store } }

    /// The partition after the last: it holds the topology, and no slots.
    public var councilPartition: PartitionID { PartitionID(UInt16(clamping: settings.partitions)) }
}
