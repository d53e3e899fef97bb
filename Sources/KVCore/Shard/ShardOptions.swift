/// Times and limits of a shard.
public struct ShardOptions: Sendable {
    /// How often `timer` is to be given.
    public var timer = Span.milliseconds(10)
    /// What the tests may switch off.
    package var rules = ProtocolRules()

    public init() {}
}

/// The rules that the simulator's mutants break, one at a time, to prove that its checks would notice.
/// Only tests can reach them.
package struct ProtocolRules: Sendable {
    /// A read at the leader waits until a majority has confirmed the ballot after it came.
    package var confirmReads = true
    /// A failed condition is answered only from a value known to be chosen.
    package var answerOnlyChosen = true
    /// A write is acknowledged when a majority holds it, not at the first.
    package var majorityAcknowledges = true
    /// A partition is settled at once only if a majority has the leader's root.
    package var compareRoots = true

    package init() {}
}
