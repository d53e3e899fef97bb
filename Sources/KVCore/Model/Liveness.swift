/// The failure detector's opinion of a member. It only informs: it never changes who owns what.
package enum Liveness: UInt8, Hashable, Sendable, CaseIterable {
    case alive = 1
    /// It has not answered; it may refute that.
    case suspect = 2
    case dead = 3
}
