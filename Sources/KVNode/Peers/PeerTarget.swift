import KVCore

/// The node that a link connects to.
package struct PeerTarget: Hashable, Sendable {
    /// Nil when any member may answer at the address.
    package var number: NodeNumber?
    /// The peer's id, or another name for messages.
    package var name: String
    package var address: Address

    package init(_ member: Member) {
        number = member.number
        name = member.id
        address = member.peer
    }

    /// - Parameter seed: the address in the configuration; `address` is one that it resolves to.
    package init(seed: Address, at address: Address) {
        name = seed == address ? "the seed" : "the seed \(seed)"
        self.address = address
    }
}
