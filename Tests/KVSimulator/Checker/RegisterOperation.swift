/// One operation on a register (one key) with what came of it, as the linearizability checker takes it.
///
/// Every value of a history has a number of its own, from 1: that of the write that made it, or the number that it is
/// (see `Content`). Stamps order the versions under which a register's values were seen: a new leader may give the
/// value it found a new version, so a value has one or more stamps, each above the last. 0 is "not seen".
package struct RegisterOperation: Hashable, Sendable {
    package var invoked: UInt64
    /// `open` where no outcome is known: it may take effect at any time after `invoked`, or never.
    package var completed: UInt64
    package var step: Step
    /// Of a change, where the version that it was told or seen under comes among all versions; 0 where there is none.
    /// The search tries changes in this order first: it is a hint, and proves nothing.
    package var rank = 0

    package static let open = UInt64.max

    package init(_ invoked: UInt64, _ completed: UInt64, _ step: Step) {
        self.invoked = invoked
        self.completed = completed
        self.step = step
    }

    /// May be left out of the order.
    var isOpen: Bool { completed == Self.open }
}

/// A value as it was seen.
package struct Sight: Hashable, Sendable {
    package var write: Int
    package var stamp: Int

    /// In the place of a write's number: some value was seen, and it cannot be told whose.
    package static let unidentified = Int.max

    package init(_ write: Int, stamp: Int = 0) {
        self.write = write
        self.stamp = stamp
    }
}

/// What an operation that took effect required of the register.
package enum Requirement: Hashable, Sendable {
    case nothing
    case absent
    case present
    case exactly(Sight)
    /// A value that will end by itself.
    case expiring
    /// A number, or no value.
    case number
}

package enum Step: Hashable, Sendable {
    /// Saw a value; nil: saw that there is none. Changes nothing.
    case read(Sight?)
    /// Saw whether there is some value, as a listing does.
    case presence(Bool)
    /// Set the value, the requirement being met. It ends by itself if there is an `expire` of its number.
    case write(Sight, Requirement)
    /// The same, but it ends when the value before it would have, if there was one.
    case rewrite(Sight, Requirement)
    /// Added to the number that was there, or to nothing. The sum ends when the number would have.
    case add(Int)
    /// Gave the value that was there another end: the `expire` of this number, or none where there is no such.
    case schedule(Int, Requirement)
    /// Removed a value that was there, the requirement being met.
    case erase(Requirement)
    /// Refused to change the value that it met (nil: none), because it is not the one required.
    case mismatch(required: Requirement, met: Sight?)
    /// Changed nothing, because the requirement was not met.
    case unmet(Requirement)
    /// The value that was written or scheduled under this number ends. What is ordered after its own end leaves
    /// nothing.
    case expire(Int)
}
