import KVCore
import KVWire

/// The options that may follow key and value in SET.
struct SetOptions {
    private enum Demand {
        case none, absent, present, equal

        /// Nil where a put has no such condition.
        var ofPut: Condition? {
            switch self {
            case .none: .always
            case .absent: .ifAbsent
            case .present: .ifPresent
            case .equal: nil
            }
        }
    }

    private var condition = Demand.none
    private var compared: [UInt8] = []
    private var lifetime: Lifetime?
    private var keepsLifetime = false
    private var returnsPrevious = false

    /// As in Redis, what was said before may be said again, and the last time counts.
    init(_ arguments: RESPArguments, _ session: RESPSession) throws(RESPFailure) {
        var time: TimeOption?
        var index = 3
        while index < arguments.count {
            if arguments.matches(index, "NX"), condition == .none || condition == .absent {
                condition = .absent
            } else if arguments.matches(index, "XX"), condition == .none || condition == .present {
                condition = .present
            } else if arguments.matches(index, "IFEQ"), index + 1 < arguments.count, condition == .none {
                index += 1
                condition = .equal
                compared = arguments.array(index)
            } else if arguments.matches(index, "GET") {
                returnsPrevious = true
            } else if arguments.matches(index, "KEEPTTL"), time == nil {
                keepsLifetime = true
            } else if !keepsLifetime, let option = TimeOption(arguments, &index, after: time) {
                time = option
            } else {
                throw .syntax
            }
            index += 1
        }
        lifetime = try time?.lifetime(arguments, session, in: "set")
    }

    /// A plain put where the answer does not depend on the value before.
    func command(value: [UInt8], _ session: RESPSession) throws(RESPFailure) -> Command {
        // It may have to be passed on, both values in one message.
        guard value.count + compared.count <= FrameLimits.values else {
            throw .valuesTooLong(value.count + compared.count, limit: FrameLimits.values)
        }
        if !keepsLifetime, !returnsPrevious, let condition = condition.ofPut {
            return .put(Put(value: value, lifetime: lifetime ?? .unlimited, condition: condition))
        }
        let requirement: Update.Requirement =
            switch condition {
            case .none: .always
            case .absent: .absent
            case .present: .present
            case .equal: .equals(compared)
            }
        return session.update(
            .set(value, contentType: ""), requirement: requirement,
            lifetime: keepsLifetime ? .keep : .set(lifetime ?? .unlimited), returnsPrevious: returnsPrevious)
    }

    var expectation: RESPExpectation { returnsPrevious ? .previous : .done }
}

/// EX, PX, EXAT or PXAT with the place of its number.
struct TimeOption {
    private let index: Int
    private let unit: RESPExpectation.TimeUnit
    private let isAbsolute: Bool

    /// Moves `index` to the number; nil where there is another option, or one of another kind than `earlier`.
    init?(_ arguments: RESPArguments, _ index: inout Int, after earlier: TimeOption?) {
        if arguments.matches(index, "EX") {
            (unit, isAbsolute) = (.seconds, false)
        } else if arguments.matches(index, "PX") {
            (unit, isAbsolute) = (.milliseconds, false)
        } else if arguments.matches(index, "EXAT") {
            (unit, isAbsolute) = (.seconds, true)
        } else if arguments.matches(index, "PXAT") {
            (unit, isAbsolute) = (.milliseconds, true)
        } else {
            return nil
        }
        guard index + 1 < arguments.count else { return nil }
        if let earlier, earlier.unit != unit || earlier.isAbsolute != isAbsolute { return nil }
        index += 1
        self.index = index
    }

    func lifetime(
        _ arguments: RESPArguments, _ session: RESPSession, in command: StaticString
    ) throws(RESPFailure) -> Lifetime {
        let time = GivenTime(value: try session.integer(arguments, index), unit: unit, isAbsolute: isAbsolute)
        return try time.lifetimeAhead(wall: session.wall, in: command)
    }
}

/// A time as clients give it.
struct GivenTime {
    var value: Int64
    var unit: RESPExpectation.TimeUnit
    /// Since 1970; otherwise from now on.
    var isAbsolute: Bool

    /// The lifetime that SET and its kind take: never one from now on that is not ahead.
    /// - Parameter wall: milliseconds since 1970.
    func lifetimeAhead(wall: UInt64, in command: StaticString) throws(RESPFailure) -> Lifetime {
        guard value > 0, let lifetime = lifetime(wall: wall) else { throw .expireTime(in: command) }
        return lifetime
    }

    /// Nil where it does not fit 64 bits of milliseconds since 1970. What is not ahead has passed.
    func lifetime(wall: UInt64) -> Lifetime? {
        let (milliseconds, overflow) = value.multipliedReportingOverflow(by: unit == .seconds ? 1000 : 1)
        guard !overflow else { return nil }
        if isAbsolute { return .until(UInt64(max(milliseconds, 1))) }
        guard milliseconds <= Int64.max - Int64(clamping: wall) else { return nil }
        return milliseconds >= 0 ? .milliseconds(UInt64(milliseconds)) : .until(1)
    }
}
