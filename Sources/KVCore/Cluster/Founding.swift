/// Decides when a first member whose data directory is new may take part.
///
/// Every first member begins from the same file with the same topology, so one that has lost its data looks like one
/// that has never run. What tells them apart is what the others have written down: the first store that they saw of it.
/// So it takes part only once a majority of the first members, itself among them, has written its store down. A later
/// start with another new directory then meets one of them, which knows the store that was there before. (Invariant 14:
/// who has forgotten does not vote.)
package struct Founding: Sendable {
    /// How long after the start a member waits for those that have not answered, though a majority has. One that knows
    /// another store under its name answers within this time if it runs.
    package static let patience = Nanoseconds.milliseconds(2000)

    private let others: Set<NodeNumber>
    private let began: Instant
    private var agreed: Set<NodeNumber> = []

    /// - Parameter members: the first members, `me` among them.
    package init(me: NodeNumber, members: [NodeNumber], now: Instant) {
        others = Set(members).subtracting([me])
        began = now
    }

    /// `member` has written this node's store down, and let it in. Others than the first members do not count.
    package mutating func agreed(_ member: NodeNumber) {
        if others.contains(member) { agreed.insert(member) }
    }

    /// The first members that have not answered.
    package var awaited: [NodeNumber] { others.subtracting(agreed).sorted() }

    /// Whether this node may vote and serve.
    package func isDone(at now: Instant) -> Bool {
        assert(agreed.isSubset(of: others), "invariant 14: only first members let a first member in")
        let isMajority = 2 * (agreed.count + 1) > others.count + 1
        return isMajority && (awaited.isEmpty || now - began >= Self.patience)
    }
}
