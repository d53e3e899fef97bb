import KVCore
import KVWire

/// How the reply to a command is made from the outcome on its key.
enum RESPExpectation {
    /// GET: the value, or null.
    case value
    /// The value before, or null, whether the change was made or not: SET GET, GETDEL.
    case previous
    /// OK, or null where the condition did not hold: SET.
    case done
    /// OK always: SETEX, MSET.
    case written
    /// 1, or 0 where nothing was changed: SETNX, DEL, EXPIRE.
    case changed
    /// 1, or 0: EXISTS.
    case presence
    case type
    case length
    /// A part of the value, by Redis's rules of negative offsets.
    case range(start: Int64, end: Int64)
    case encoding
    case timeToLive(TimeUnit)
    case expiryTime(TimeUnit)
    /// The result of the update: INCR, APPEND.
    case result
    /// Null where the key is absent, and this failure otherwise: GETEX looks at the key before it looks at the time.
    case refusal(RESPFailure)

    enum TimeUnit { case seconds, milliseconds }

    /// Whether the answer to a read has the value, or a part of it that may be all of it.
    var bringsValue: Bool {
        switch self {
        case .value, .range: true
        default: false
        }
    }

    /// - Parameter server: knows what time it is, which few answers depend on.
    func answer(_ outcome: Outcome, _ server: RESPServer) -> RESPAnswer {
        switch outcome {
        case .found(let record): return found(record, server)
        case .absent: return absent
        case .written: return written
        case .conditionFailed: return notChanged
        case .updated(_, let result): return updated(result)
        case .refused(let refusal): return .failure(RESPFailure(refusal))
        case .unknown(let uncertainty): return .failure(RESPFailure(uncertainty))
        case .listed, .counted: return .failure(.unfitting)
        }
    }

    private func found(_ record: Record, _ server: RESPServer) -> RESPAnswer {
        switch self {
        case .value: return .bulk(record.value ?? [])
        case .presence: return .integer(1)
        case .type: return .simple("string")
        case .length: return .integer(Int64(record.value?.count ?? 0))
        case .range(let start, let end): return .bulk(Self.part(of: record.value ?? [], start, end))
        case .encoding: return .text(Self.encoding(of: record.value ?? []))
        case .timeToLive(let unit):
            guard record.expiry != .never else { return .integer(-1) }
            let now = server.wallClock()
            let expiry = record.expiry.milliseconds
            return .integer(unit.count(expiry > now ? expiry - now : 0))
        case .expiryTime(let unit):
            return .integer(record.expiry == .never ? -1 : unit.count(record.expiry.milliseconds))
        case .refusal(let failure): return .failure(failure)
        case .previous, .done, .written, .changed, .result: return .failure(.unfitting)
        }
    }

    private var absent: RESPAnswer {
        switch self {
        case .value, .previous, .encoding, .refusal: .null
        case .presence, .changed, .length: .integer(0)
        case .type: .simple("none")
        case .range: .bulk([])
        case .timeToLive, .expiryTime: .integer(-2)
        case .done, .written, .result: .failure(.unfitting)
        }
    }

    private var written: RESPAnswer {
        switch self {
        case .done, .written: .ok
        case .changed: .integer(1)
        default: .failure(.unfitting)
        }
    }

    private var notChanged: RESPAnswer {
        switch self {
        case .done: .null
        case .changed: .integer(0)
        default: .failure(.unfitting)
        }
    }

    private func updated(_ result: UpdateResult) -> RESPAnswer {
        switch (self, result) {
        case (_, .misfit(let misfit)): .failure(RESPFailure(misfit))
        case (.previous, .applied(let value)), (.previous, .notApplied(let value)), (.result, .applied(let value)),
            (.result, .notApplied(let value)):
            Self.answer(value)
        case (_, .applied): written
        case (_, .notApplied): notChanged
        }
    }

    private static func answer(_ value: UpdateValue) -> RESPAnswer {
        switch value {
        case .none: .null
        case .bytes(let bytes): .bulk(bytes)
        case .integer(let value): .integer(value)
        }
    }

    private static func part(of value: [UInt8], _ start: Int64, _ end: Int64) -> [UInt8] {
        let count = Int64(value.count)
        if start < 0, end < 0, start > end { return [] }
        let first = max(start < 0 ? start &+ count : start, 0)
        let last = min(max(end < 0 ? end &+ count : end, 0), count - 1)
        guard first <= last, count > 0 else { return [] }
        return Array(value[Int(first)...Int(last)])
    }

    /// The encoding in which Redis would store a string of this content.
    private static func encoding(of value: [UInt8]) -> String {
        let isInteger = value.withUnsafeBytes { decimalInteger($0) != nil }
        return isInteger ? "int" : value.count <= 44 ? "embstr" : "raw"
    }
}

extension RESPExpectation.TimeUnit {
    /// The milliseconds in this unit, rounded as Redis rounds.
    fileprivate func count(_ milliseconds: UInt64) -> Int64 {
        switch self {
        case .seconds: Int64(clamping: milliseconds / 1000 + (milliseconds % 1000 >= 500 ? 1 : 0))
        case .milliseconds: Int64(clamping: milliseconds)
        }
    }
}
