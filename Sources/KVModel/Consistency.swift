/// The promise that an operation gives.
public enum Consistency: Hashable, Sendable {
    /// The operation takes effect at one moment between its request and its answer, for all clients alike.
    case linearizable
    /// The read returns what one replica holds, which may be outdated, or may never have been acknowledged. For reads
    /// only.
    case stale
}
