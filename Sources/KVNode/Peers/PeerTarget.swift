import KVCore

/// Where a link leads.
package struct PeerTarget: Hashable, Sendable {
    /// Nil where any member will do that answers there.
    package var number: NodeNumber?
    /// The peer's id, or what else messages call it.
    package var name: String
    package var address: Address

    package init(_ member: Member) {
        number = member.number
        name = member.id
        address = member.peer
    }

    /// - Parameter seed: as the configuration says it; `address` is one that it resolves to.
    package init(seed: Address, at address: Address) {
        name = seed == address ? "the seed" : "the seed \(seed)"
        self.address = address
    }
}
