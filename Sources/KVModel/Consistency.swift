/// What a read promises.
public enum Consistency: Hashable, Sendable {
    case linearizable
    /// Whatever the nearest replica holds, chosen or not. Only for reads.
    case stale
}
