/// Whether a member seems alive to the failure detector. It only informs: no promise of the store depends on it.
package enum Liveness: UInt8, Hashable, Sendable, CaseIterable {
    case alive = 1
    /// The member has not answered, and may still refute the suspicion.
    case suspect = 2
    case dead = 3
}
