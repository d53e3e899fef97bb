/// A change of one key that depends on what the key holds: Redis's read-modify-write commands of a string. The leader
/// evaluates it on the key's latest record, so it is as atomic as any other operation.
package struct Update: Hashable, Sendable {
    package var change: Change
    /// What must hold for it to be carried out.
    package var requirement: Requirement
    /// What becomes of the expiry.
    package var lifetime: LifetimeChange
    /// Whether the answer brings the value that was there before. Only for `set`, `remove` and `keep`; the others
    /// answer with their result.
    package var returnsPrevious: Bool
    /// A longer value is a `Misfit.tooLong`. Bytes.
    package var maximumLength: Int

    package enum Change: Hashable, Sendable {
        /// Replaces the value; creates it where it is absent.
        case set([UInt8], contentType: String)
        /// Deletes it. Not carried out where there is nothing.
        case remove
        /// Leaves the value; only the expiry changes. Not carried out where there is nothing.
        case keep
        /// Appends to the value, or creates it. Answers with the new length.
        case append([UInt8])
        /// Overwrites from an offset (0 or more) on, filling a gap with zeros; creates it. Answers with the new length.
        /// With no bytes it changes nothing (and creates nothing).
        case overwrite(offset: Int, [UInt8])
        /// Adds to a decimal integer of 64 bits; an absent value is 0. Answers with the sum.
        case add(Int64)
        /// Adds to a decimal number, as Redis's INCRBYFLOAT does; an absent value is 0. Answers with the new value's
        /// bytes.
        case addNumber([UInt8])
    }

    package enum Requirement: Hashable, Sendable {
        case always
        case absent
        case present
        /// It is present, and holds just this.
        case equals([UInt8])
        /// It is present and has no expiry (EXPIRE NX).
        case lasting
        /// It is present and has an expiry (EXPIRE XX, PERSIST).
        case expiring
        /// It is present, and the new expiry is later than its own; no expiry is the latest (EXPIRE GT).
        case laterExpiry
        /// It is present, and the new expiry is earlier than its own; no expiry is the latest (EXPIRE LT).
        case earlierExpiry
        /// `expiring` and `earlierExpiry` (EXPIRE XX LT).
        case expiringAndEarlier
    }

    package enum LifetimeChange: Hashable, Sendable {
        case keep
        case set(Lifetime)
    }

    package init(
        _ change: Change, requirement: Requirement = .always, lifetime: LifetimeChange = .keep,
        returnsPrevious: Bool = false, maximumLength: Int
    ) {
        self.change = change
        self.requirement = requirement
        self.lifetime = lifetime
        self.returnsPrevious = returnsPrevious
        self.maximumLength = maximumLength
    }
}
