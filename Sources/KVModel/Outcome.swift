/// How an operation ended: done, refused (nothing changed), or unknown.
package enum Outcome: Hashable, Sendable {
    /// `get` found this record. It is never a tombstone, and not expired.
    case found(Record)
    /// `get` or `delete` found no record.
    case absent
    /// A put or delete took effect under this version.
    case written(Version)
    /// The condition did not hold for the present record, which has this version. Nil if the key is absent.
    case conditionFailed(Version?)
    /// `list` found these keys, in ring order and at most as many as it asked for. `more` says that others follow.
    case listed(keys: [Key], more: Bool)
    /// `count` found this many keys.
    case counted(Int)
    /// An update was evaluated, and wrote a record of this version. Nil if it wrote none.
    case updated(Version?, UpdateResult)
    /// The operation was not executed, and nothing was changed.
    case refused(Refusal)
    /// The change may have taken effect, or may take effect later.
    case unknown(Uncertainty)
}

/// The reason why an operation was refused.
package enum Refusal: UInt8, Hashable, Sendable, CaseIterable {
    /// No leader could be reached in time, because too few replicas are up or in touch.
    case noLeader = 1
    /// A limit of this node is reached.
    case overloaded = 2
    /// The leader's disk is nearly full. Writes are refused; reads and deletes are not.
    case diskFull = 3
    /// The node is stopping.
    case stopping = 4
    /// No replica answered a stale read, or none could read the value from its disk.
    case noReplica = 5
    /// The node is not a member of a cluster: it waits to be admitted, or was removed.
    case notMember = 6
}

/// The reason why the outcome of a change is unknown.
package enum Uncertainty: UInt8, Hashable, Sendable, CaseIterable {
    /// The change was proposed, and no answer came in time.
    case timedOut = 1
    /// The leader that had proposed the change died or lost its leadership.
    case leaderLost = 2
}
