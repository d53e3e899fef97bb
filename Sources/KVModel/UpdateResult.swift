/// What became of an update that was evaluated.
package enum UpdateResult: Hashable, Sendable {
    /// It was carried out. The value before (where asked for; nil: there was none), or the result.
    case applied(UpdateValue)
    /// The requirement did not hold, or there was nothing to change. The value before, where asked for.
    case notApplied(UpdateValue)
    /// What the key holds does not take this update. Nothing was changed.
    case misfit(Misfit)
}

package enum UpdateValue: Hashable, Sendable {
    case none
    case bytes([UInt8])
    case integer(Int64)
}

/// Why a value does not take an update.
package enum Misfit: UInt8, Hashable, Sendable, CaseIterable {
    /// It is no decimal integer of 64 bits.
    case notAnInteger = 1
    /// The sum would not fit 64 bits.
    case overflow = 2
    /// It is no number.
    case notANumber = 3
    /// The sum would not be finite.
    case notFinite = 4
    /// The new value would be longer than `maximumLength`.
    case tooLong = 5
}
