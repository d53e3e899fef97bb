/// A node's claim to lead a partition, Lamport's ballot number ("The Part-Time Parliament"): `(round, node)`, ordered
/// by round, then by node.
///
/// Replicas promise ballots per partition, durably. No ballot is used twice.
package struct Ballot: Hashable, Comparable, Sendable {
    /// The round in the upper 48 bits, the node's number in the lower 16.
    package var raw: UInt64

    /// Lower than every ballot that a node can make.
    package static let zero = Ballot(raw: 0)
    package static let maximumRound: UInt64 = (1 << 48) - 1

    @inlinable
    package init(raw: UInt64) { self.raw = raw }

    /// Caps `round` at `maximumRound`, which is reached after 8,900 years of 1,000 elections per second.
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

/// The version of a record. Each change of a key gives it a higher version, and no two records of a key share one. It
/// is the ETag of the HTTP interface.
///
/// It consists of the ballot of the leader that has made the change, and a sequence number.
public struct Version: Hashable, Comparable, Sendable {
    package var ballot: Ballot
    /// Counts the proposals of one leader for one partition under one ballot, from 1.
    package var sequence: UInt64

    /// Lower than every version that a leader can give. It stands for an absent record.
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

    /// Reads a version from its `description`. Nil for any other text.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let round = UInt64(parts[0]), let node = UInt16(parts[1]),
            let sequence = UInt64(parts[2]), round <= Ballot.maximumRound
        else { return nil }
        self.init(ballot: Ballot(round: round, node: NodeNumber(node)), sequence: sequence)
        guard description == text else { return nil }
    }
}
