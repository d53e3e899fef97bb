/// How an operation ended: done, refused (nothing changed), or unknown.
package enum Outcome: Hashable, Sendable {
    /// The record that `get` found; never a tombstone, never expired.
    case found(Record)
    /// `get` or `delete` of a key that is not there.
    case absent
    /// A put or delete took effect under this version.
    case written(Version)
    /// The condition did not hold; the version it met, nil where the key is absent.
    case conditionFailed(Version?)
    /// `list`: at most `limit` keys in ring order; `more` when others follow the last.
    case listed(keys: [Key], more: Bool)
    case counted(Int)
    /// An update was evaluated. The version of the record it wrote, nil where it wrote none.
    case updated(Version?, UpdateResult)
    /// Nothing was changed.
    case refused(Refusal)
    /// The change may or may not have taken effect, or may yet.
    case unknown(Uncertainty)
}

package enum Refusal: UInt8, Hashable, Sendable, CaseIterable {
    /// No leader could be reached in time: too few replicas are up or in touch.
    case noLeader = 1
    /// A limit of this node is reached.
    case overloaded = 2
    /// The disk of a replica is nearly full: writes are refused, reads and deletes go on.
    case diskFull = 3
    /// The node is stopping.
    case stopping = 4
    /// A stale read found no replica that answers; or the value could be read from the disk of none that did.
    case noReplica = 5
    /// The node is not a member of a cluster: it waits to be admitted, or was removed.
    case notMember = 6
}

package enum Uncertainty: UInt8, Hashable, Sendable, CaseIterable {
    /// No answer in time after the change was proposed.
    case timedOut = 1
    /// The node that was carrying it out died or lost its leadership.
    case leaderLost = 2
}
