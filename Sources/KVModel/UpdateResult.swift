/// The result of an update that was evaluated.
package enum UpdateResult: Hashable, Sendable {
    /// The update was applied. The value is the update's result, or the previous value if the update asked for it.
    case applied(UpdateValue)
    /// The requirement did not hold, or there was nothing to change. The value is the present one, if the update asked
    /// for it.
    case notApplied(UpdateValue)
    /// The present value does not allow this update. Nothing was changed.
    case misfit(Misfit)
}

/// The value that an update answers with. `none` also stands for a value that is absent or was not asked for.
package enum UpdateValue: Hashable, Sendable {
    case none
    case bytes([UInt8])
    case integer(Int64)
}

/// The reason why a value does not allow an update.
package enum Misfit: UInt8, Hashable, Sendable, CaseIterable {
    /// The value is not a decimal integer of 64 bits.
    case notAnInteger = 1
    /// The sum does not fit in 64 bits.
    case overflow = 2
    /// The value is not a number.
    case notANumber = 3
    /// The sum is not finite.
    case notFinite = 4
    /// The new value would be longer than `maximumLength`.
    case tooLong = 5
}
