import KVCore

/// Where a link leads.
public struct PeerTarget: Hashable, Sendable {
    /// Nil where any member will do that answers there.
    public var number: NodeNumber?
    /// The peer's id, or what else messages call it.
    public var name: String
    public var address: Address

    public init(_ member: Member) {
        number = member.number
        name = member.id
        address = member.peer
    }

    /// - Parameter seed: as the configuration says it; `address` is one that it resolves to.
    public init(seed: Address, at address: Address) {
        name = seed == address ? "the seed" : "the seed \(seed)"
        self.address = address
    }
}
