/// A node that takes part in the cluster.
package struct Member: Hashable, Sendable {
    package var number: NodeNumber
    /// The name that users know the member by: 1 to 64 characters of `a-z 0-9 . - _`.
    package var id: String
    /// The address for clients.
    package var client: Address
    /// The address for other nodes.
    package var peer: Address
    /// The failure domain. Empty if none is named.
    package var zone: String
    /// The share of the data relative to other members; positive.
    package var weight: Int
    /// Names the member's data directory. Nil for a first member that has not been heard of yet.
    package var store: UUID128?
    package var status: Status

    /// What a plan does with a member.
    package enum Status: UInt8, Hashable, Sendable, CaseIterable {
        /// The member stays.
        case active = 1
        /// The member is admitted and is being given its share.
        case joining = 2
        /// The member is drained, and then removed.
        case leaving = 3
        /// The member is given up for dead and removed without its help.
        case lost = 4
    }

    package init(
        number: NodeNumber, id: String, client: Address, peer: Address, zone: String, weight: Int,
        store: UUID128? = nil, status: Status = .active
    ) {
        self.number = number
        self.id = id
        self.client = client
        self.peer = peer
        self.zone = zone
        self.weight = weight
        self.store = store
        self.status = status
    }

    /// True if the member is to hold data when the plan under way is done.
    package var stays: Bool { status == .active || status == .joining }
}

/// A node that was a member. Neither its number nor its store is admitted again.
package struct RemovedMember: Hashable, Sendable {
    package var number: NodeNumber
    package var id: String
    /// Names the data directory that the member had. Nil if the member was never heard of.
    package var store: UUID128?

    package init(number: NodeNumber, id: String, store: UUID128?) {
        self.number = number
        self.id = id
        self.store = store
    }
}
