/// A claim to lead a partition: `(round, node)`, ordered in that order. Promised per partition, persisted, never
/// reused.
///
/// Lamport's ballot number ("The Part-Time Parliament"). Packed in 64 bits: 48 of round, 16 of node.
public struct Ballot: Hashable, Comparable, Sendable {
    public var raw: UInt64

    /// Below every ballot a node can make.
    public static let zero = Ballot(raw: 0)
    public static let maximumRound: UInt64 = (1 << 48) - 1

    @inlinable
    public init(raw: UInt64) { self.raw = raw }

    /// `round` is capped at `maximumRound`, which takes 8,900 years at 1,000 elections a second to reach.
    @inlinable
    public init(round: UInt64, node: NodeNumber) {
        raw = min(round, Self.maximumRound) << 16 | UInt64(node.raw)
    }

    @inlinable
    public var round: UInt64 { raw >> 16 }
    @inlinable
    public var node: NodeNumber { NodeNumber(UInt16(truncatingIfNeeded: raw)) }

    @inlinable
    public static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
}

extension Ballot: CustomStringConvertible {
    public var description: String { "\(round).\(node.raw)" }
}

/// The version of a record, `(ballot, sequence)`: grows for a key, and no two records of a key share one. It is the
/// ETag.
public struct Version: Hashable, Comparable, Sendable {
    public var ballot: Ballot
    /// Counts the proposals of one leader for one partition, from 1.
    public var sequence: UInt64

    /// Below every version a leader can stamp: what a replica without the record holds.
    public static let zero = Version(ballot: .zero, sequence: 0)

    @inlinable
    public init(ballot: Ballot, sequence: UInt64) {
        self.ballot = ballot
        self.sequence = sequence
    }

    @inlinable
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
