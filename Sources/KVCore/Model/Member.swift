/// A node that takes part in the cluster.
package struct Member: Hashable, Sendable {
    package var number: NodeNumber
    /// The name users know it by: 1-64 of `a-z 0-9 . - _`.
    package var id: String
    /// Where others reach it.
    package var client: Address
    package var peer: Address
    /// Failure domain; empty where none is named.
    package var zone: String
    /// Share of the data relative to other members; positive.
    package var weight: Int
    /// Names its data directory. Nil where a first member has not been heard of yet.
    package var store: UUID128?
    package var status: Status

    /// What is to become of a member.
    package enum Status: UInt8, Hashable, Sendable, CaseIterable {
        case active = 1
        /// Admitted, and being given its share.
        case joining = 2
        /// Being drained; then removed.
        case leaving = 3
        /// Given up for dead: removed without its help. It may own nothing in the end.
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

    /// Whether it is to hold data when the plan under way is done.
    package var stays: Bool { status == .active || status == .joining }
}

package struct RemovedMember: Hashable, Sendable {
    package var number: NodeNumber
    package var id: String
    /// Nil where it was never heard of.
    package var store: UUID128?

    package init(number: NodeNumber, id: String, store: UUID128?) {
        self.number = number
        self.id = id
        self.store = store
    }
}
