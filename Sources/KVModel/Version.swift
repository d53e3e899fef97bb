/// A claim to lead a partition: `(round, node)`, ordered in that order. Promised per partition, persisted, never
/// reused.
///
/// Lamport's ballot number ("The Part-Time Parliament"). Packed in 64 bits: 48 of round, 16 of node.
package struct Ballot: Hashable, Comparable, Sendable {
    package var raw: UInt64

    /// Below every ballot a node can make.
    package static let zero = Ballot(raw: 0)
    package static let maximumRound: UInt64 = (1 << 48) - 1

    @inlinable
    package init(raw: UInt64) { self.raw = raw }

    /// `round` is capped at `maximumRound`, which takes 8,900 years at 1,000 elections a second to reach.
    @inlinable
    package init(round: UInt64, node: NodeNumber) {
        raw = min(round, Self.maximumRound) << 16 | UInt64(node.raw)
    }

    @inlinable
    package var round: UInt64 { raw >> 16 }
    @inlinable
    package var node: NodeNumber { NodeNumber(UInt16(truncatingIfNeeded: raw)) }

    @inlinable
    package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
}

extension Ballot: CustomStringConvertible {
    package var description: String { "\(round).\(node.raw)" }
}

/// The version of a record, `(ballot, sequence)`: grows for a key, and no two records of a key share one. It is the
/// ETag.
public struct Version: Hashable, Comparable, Sendable {
    package var ballot: Ballot
    /// Counts the proposals of one leader for one partition, from 1.
    package var sequence: UInt64

    /// Below every version a leader can stamp: what a replica without the record holds.
    package static let zero = Version(ballot: .zero, sequence: 0)

    package init(ballot: Ballot, sequence: UInt64) {
        self.ballot = ballot
        self.sequence = sequence
    }

    public static func < (a: Self, b: Self) -> Bool {
        a.ballot == b.ballot ? a.sequence < b.sequence : a.ballot < b.ballot
    }
}

extension Version: LosslessStringConvertible {
    /// `ROUND.NODE.SEQUENCE`, in decimal.
    public var description: String { "\(ballot).\(sequence)" }

    /// Nil unless `text` is just what `description` gives for some version.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let round = UInt64(parts[0]), let node = UInt16(parts[1]),
            let sequence = UInt64(parts[2]), round <= Ballot.maximumRound
        else { return nil }
        self.init(ballot: Ballot(round: round, node: NodeNumber(node)), sequence: sequence)
        guard description == text else { return nil }
    }
}
