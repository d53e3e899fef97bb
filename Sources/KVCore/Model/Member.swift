/// A node that takes part in the cluster.
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
    /// Names its data directory. Nil where a first member has not been heard of yet.
    public var store: UUID128?
    public var standing: Standing

    /// What is to become of a member.
    public enum Standing: UInt8, Hashable, Sendable, CaseIterable {
        case active = 1
        /// Admitted, and being given its share.
        case joining = 2
        /// Being drained; then removed.
        case leaving = 3
        /// Given up for dead: removed without its help. It may own nothing in the end.
        case lost = 4
    }

    public init(
        number: NodeNumber, id: String, client: Address, peer: Address, zone: String, weight: Int,
        store: UUID128? = nil, standing: Standing = .active
    ) {
        self.number = number
        self.id = id
        self.client = client
        self.peer = peer
        self.zone = zone
        self.weight = weight
        self.store = store
        self.standing = standing
    }

    /// Whether it is to hold data when the plan under way is done.
    public var stays: Bool { standing == .active || standing == .joining }
}

public struct RemovedMember: Hashable, Sendable {
    public var number: NodeNumber
    public var id: String
    /// Nil where it was never heard of.
    public var store: UUID128?

    public init(number: NodeNumber, id: String, store: UUID128?) {
        self.number = number
        self.id = id
        self.store = store
    }
}
