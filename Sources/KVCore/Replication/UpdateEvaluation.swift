/// Evaluates an update. The semantics are those of Redis's commands on strings.
struct UpdateEvaluation {
    private let update: Update
    /// The key's record; nil if the key is absent.
    private let present: RecordHead?
    /// The same record with its value; nil if the value is not at hand.
    private let record: Record?
    private let wall: UInt64
    /// The expiry of the record to be written.
    private let expiry: Expiry

    /// Prepares to evaluate an update.
    ///
    /// - Parameters:
    ///   - present: The key's record; nil if the key is absent to clients.
    ///   - record: The latest record with its value; nil if the value is not at hand.
    init(_ update: Update, present: RecordHead?, record: Record?, wall: UInt64) {
        self.update = update
        self.present = present
        self.record = present == nil ? nil : record
        self.wall = wall
        switch update.lifetime {
        case .keep: expiry = present?.expiry ?? .never
        case .set(let lifetime): expiry = lifetime.expiry(at: wall)
        }
    }

    var evaluation: Evaluation {
        if present != nil, record == nil, answerTakesValue { return .readValue }
        guard requirementHolds else { return .answer(.updated(nil, .notApplied(previous))) }
        switch update.change {
        case .set(let value, let contentType): return write(value, contentType, previous)
        case .remove:
            return present == nil ? unchanged(.notApplied(.none)) : .write(.tombstone, result: .applied(previous))
        case .keep: return keep
        case .append(let tail): return withValue { append(tail, to: $0) }
        case .overwrite(let offset, let bytes): return withValue { overwrite($0, offset, bytes) }
        case .add(let amount): return withValue { add(amount, to: $0) }
        case .addNumber(let amount): return withValue { addNumber(amount, to: $0) }
        }
    }

    /// Evaluates `change` on the value, which is empty if the key is absent.
    private func withValue(_ change: ([UInt8]) -> Evaluation) -> Evaluation {
        if present != nil, record == nil { return .readValue }
        return change(record?.value ?? [])
    }

    /// True if even the requirement or the answer needs the value.
    private var answerTakesValue: Bool {
        if case .equals = update.requirement { return true }
        return update.tellsPrevious
    }

    private var requirementHolds: Bool {
        switch update.requirement {
        case .always: true
        case .absent: present == nil
        case .present: present != nil
        case .equals(let value): record?.value == value
        case .lasting: present?.expiry == .never
        case .expiring: isExpiring
        case .laterExpiry: present.map { expiry > $0.expiry } ?? false
        case .earlierExpiry: present.map { expiry < $0.expiry } ?? false
        case .expiringAndEarlier: isExpiring && present.map { expiry < $0.expiry } ?? false
        }
    }

    private var isExpiring: Bool { present.map { $0.expiry != .never } ?? false }

    private var previous: UpdateValue {
        guard update.tellsPrevious, let value = record?.value else { return .none }
        return .bytes(value)
    }

    private func unchanged(_ result: UpdateResult) -> Evaluation { .answer(.updated(nil, result)) }

    private var keep: Evaluation {
        guard present != nil else { return unchanged(.notApplied(.none)) }
        guard case .set = update.lifetime else { return unchanged(.applied(previous)) }
        if expiry.hasPassed(at: wall) { return .write(.tombstone, result: .applied(previous)) }
        guard let record else { return .readValue }
        return .write(
            Draft(value: record.value, expiry: expiry, contentType: record.contentType), result: .applied(previous))
    }

    private func append(_ tail: [UInt8], to old: [UInt8]) -> Evaluation {
        if tail.isEmpty, present != nil { return unchanged(.applied(.integer(Int64(old.count)))) }
        guard fits(old.count, tail.count) else { return unchanged(.misfit(.tooLong)) }
        return write(old + tail, .integer(Int64(old.count + tail.count)))
    }

    private func add(_ amount: Int64, to old: [UInt8]) -> Evaluation {
        guard let number = present == nil ? 0 : DecimalInteger.value(of: old) else {
            return unchanged(.misfit(.notAnInteger))
        }
        let (sum, overflow) = number.addingReportingOverflow(amount)
        return overflow ? unchanged(.misfit(.overflow)) : write(Array("\(sum)".utf8), .integer(sum))
    }

    private func addNumber(_ amount: [UInt8], to old: [UInt8]) -> Evaluation {
        guard let number = present == nil ? 0 : DecimalNumber.value(of: old),
            let amount = DecimalNumber.value(of: amount)
        else { return unchanged(.misfit(.notANumber)) }
        let sum = number + amount
        guard sum.isFinite else { return unchanged(.misfit(.notFinite)) }
        let text = DecimalNumber.text(of: sum)
        return write(text, .bytes(text))
    }

    private func overwrite(_ old: [UInt8], _ offset: Int, _ bytes: [UInt8]) -> Evaluation {
        if bytes.isEmpty { return unchanged(.applied(.integer(Int64(old.count)))) }
        guard offset >= 0, fits(offset, bytes.count), old.count <= update.maximumLength else {
            return unchanged(.misfit(.tooLong))
        }
        var value = old
        if value.count < offset { value += repeatElement(0, count: offset - value.count) }
        value.replaceSubrange(offset..<min(offset + bytes.count, value.count), with: bytes)
        return write(value, .integer(Int64(value.count)))
    }

    private func fits(_ first: Int, _ second: Int) -> Bool {
        let (sum, overflow) = first.addingReportingOverflow(second)
        return !overflow && sum <= update.maximumLength
    }

    /// Writes a value that was made from the present one, whose content type it keeps.
    private func write(_ value: [UInt8], _ result: UpdateValue) -> Evaluation {
        write(value, record?.contentType ?? "", result)
    }

    private func write(_ value: [UInt8], _ contentType: String, _ result: UpdateValue) -> Evaluation {
        guard value.count <= update.maximumLength else { return unchanged(.misfit(.tooLong)) }
        guard !expiry.hasPassed(at: wall) else { return .write(.tombstone, result: .applied(result)) }
        return .write(Draft(value: value, expiry: expiry, contentType: contentType), result: .applied(result))
    }
}

extension Update {
    /// True if the update answers with the previous value. Append, overwrite, add and addNumber answer with their
    /// result.
    fileprivate var tellsPrevious: Bool {
        switch change {
        case .set, .remove, .keep: returnsPrevious
        case .append, .overwrite, .add, .addNumber: false
        }
    }

    /// True if the update sets the value without looking at the present one.
    var isBlind: Bool {
        guard case .set = change, requirement == .always, lifetime != .keep else { return false }
        return !returnsPrevious
    }
}
