/// An operation on a register (one key) and its outcome, as the linearizability checker uses it.
///
/// Every value of a history has a number, from 1: that of the write that made it or, for a number, the number itself
/// (see `Content`). Stamps order the versions under which values were seen. A new leader may give a value that it finds
/// a new version, so a value has one or more stamps, in ascending order. A stamp of 0 means that no version was seen.
package struct RegisterOperation: Hashable, Sendable {
    package var invoked: UInt64
    /// `open` if the outcome is unknown: the operation may take effect at any time after `invoked`, or never.
    package var completed: UInt64
    package var step: Step
    /// The place of a change's version among all versions of the key; 0 if its version is unknown. The search tries
    /// changes in this order first. It is a hint and proves nothing.
    package var rank = 0

    package static let open = UInt64.max

    package init(_ invoked: UInt64, _ completed: UInt64, _ step: Step) {
        self.invoked = invoked
        self.completed = completed
        self.step = step
    }

    /// True if the operation may be left out of the order.
    var isOpen: Bool { completed == Self.open }
}

/// A value as an operation saw it.
package struct SeenValue: Hashable, Sendable {
    package var write: Int
    package var stamp: Int

    /// In place of `write`: some value was seen, but it is unknown which.
    package static let unidentified = Int.max

    package init(_ write: Int, stamp: Int = 0) {
        self.write = write
        self.stamp = stamp
    }
}

/// A condition of an operation on the register.
package enum Requirement: Hashable, Sendable {
    case nothing
    case absent
    case present
    case exactly(SeenValue)
    /// A value with an expiry.
    case expiring
    /// A number, or no value.
    case number
}

/// The effect of an operation on the register, or what it saw there.
package enum Step: Hashable, Sendable {
    /// Saw a value, or nil for none. Changes nothing.
    case read(SeenValue?)
    /// Saw whether there is a value, as a listing does. Changes nothing.
    case presence(Bool)
    /// Set the value, because the requirement was met. The value ends if there is an `expire` of its number.
    case write(SeenValue, Requirement)
    /// Like `write`, but the new value keeps the end of the value before it.
    case rewrite(SeenValue, Requirement)
    /// Added to the present number, or to an empty register. The sum keeps the end of the number.
    case add(Int)
    /// Gave the present value another end: the `expire` of this number or, if there is no such step, none.
    case schedule(Int, Requirement)
    /// Removed the present value, because the requirement was met.
    case erase(Requirement)
    /// Changed nothing, because the present value (nil for none) did not meet the requirement.
    case mismatch(required: Requirement, met: SeenValue?)
    /// Changed nothing, because the requirement was not met by a value that was not told.
    case unmet(Requirement)
    /// Ends the value that was written or scheduled under this number. A value that is ordered after its own end is
    /// absent at once.
    case expire(Int)
}
