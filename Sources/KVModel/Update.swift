/// A change of one key that depends on the key's present value, as Redis's commands for strings do. The leader
/// evaluates it on the key's latest record, so it is as atomic as any other operation.
package struct Update: Hashable, Sendable {
    package var change: Change
    /// A condition on the present record, without which the change is not made.
    package var requirement: Requirement
    /// The change of the expiry.
    package var lifetime: LifetimeChange
    /// True if the answer has the previous value. Only for `set`, `remove` and `keep`; the others answer with their
    /// result.
    package var returnsPrevious: Bool
    /// The length of the longest value, in bytes. If the new value is longer, the update fails with `Misfit.tooLong`.
    package var maximumLength: Int

    /// The change of the value.
    package enum Change: Hashable, Sendable {
        /// Replaces the value, or creates it if it is absent.
        case set([UInt8], contentType: String)
        /// Deletes the value. Not applied if it is absent.
        case remove
        /// Leaves the value, so that only the expiry changes. Not applied if the value is absent.
        case keep
        /// Appends to the value, or creates it. Answers with the new length.
        case append([UInt8])
        /// Overwrites the value from an offset (0 or more) on, or creates it. A gap is filled with zeros. Answers with
        /// the new length. Without bytes it changes nothing and creates nothing.
        case overwrite(offset: Int, [UInt8])
        /// Adds to a decimal integer of 64 bits. An absent value counts as 0. Answers with the sum.
        case add(Int64)
        /// Adds to a decimal number, as Redis's INCRBYFLOAT does. An absent value counts as 0. Answers with the bytes
        /// of the new value.
        case addNumber([UInt8])
    }

    /// A condition on the present record. A deleted or expired record counts as absent.
    package enum Requirement: Hashable, Sendable {
        case always
        case absent
        case present
        /// The record is present, and its value has exactly these bytes.
        case equals([UInt8])
        /// The record is present and has no expiry (EXPIRE NX).
        case lasting
        /// The record is present and has an expiry (EXPIRE XX, PERSIST).
        case expiring
        /// The record is present, and the new expiry is later than its own. No expiry counts as the latest (EXPIRE GT).
        case laterExpiry
        /// The record is present, and the new expiry is earlier than its own. No expiry counts as the latest (EXPIRE
        /// LT).
        case earlierExpiry
        /// Both `expiring` and `earlierExpiry` (EXPIRE XX LT).
        case expiringAndEarlier
    }

    /// The change of the expiry.
    package enum LifetimeChange: Hashable, Sendable {
        /// The record keeps its expiry.
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
