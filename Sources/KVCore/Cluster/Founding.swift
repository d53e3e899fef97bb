/// Decides when a first member whose data directory is new may take part.
///
/// Every first member begins from the same file with the same topology, so one that has lost its data looks like one
/// that has never run. What tells them apart is what the others have written down: the first store that they saw of it.
/// So it takes part only once a majority of the first members, itself among them, has written its store down. A later
/// start with another new directory then meets one of them, which knows the store that was there before.
package struct Founding: Sendable {
    /// For so long after the start those that have not answered are waited for, where a majority has: one that knows
    /// better answers within this if it runs.
    package static let patience = Nanoseconds.milliseconds(2000)

    private let others: Set<NodeNumber>
    private let began: Instant
    private var agreed: Set<NodeNumber> = []

    /// - Parameter members: the first members, `me` among them.
    package init(me: NodeNumber, members: [NodeNumber], now: Instant) {
        others = Set(members).subtracting([me])
        began = now
    }

    /// `member` has written this node's store down, and let it in.
    package mutating func agreed(_ member: NodeNumber) {
        if others.contains(member) { agreed.insert(member) }
    }

    /// Those that have not answered.
    package var awaited: [NodeNumber] { others.subtracting(agreed).sorted() }

    package func isDone(at now: Instant) -> Bool {
        let isMajority = 2 * (agreed.count + 1) > others.count + 1
        return isMajority && (awaited.isEmpty || now - began >= Self.patience)
    }
}
