import KVCore

// The translation of updates to operations on a register.

extension Translation {
    mutating func addUpdate(_ call: Call, _ update: Update) {
        switch call.end {
        case .answered(.updated(let version, let result)):
            guard (version != nil) == call.mustWrite(result) else { return misfit(call) }
            addEvaluated(call, update, version, result)
        case .answered(.unknown), .lost, .pending: addOpen(call, update)
        case .answered(.refused): return
        case .answered: misfit(call)
        }
    }

    private mutating func misfit(_ call: Call) {
        violations.append(Violation(.answers, "does not fit the request: \(call)"))
    }

    private mutating func addEvaluated(_ call: Call, _ update: Update, _ version: Version?, _ result: UpdateResult) {
        switch (update.change, result) {
        case (.set(let bytes, _), .applied):
            guard let content = Content(bytes), let version, let met = met(update, result) else { return misfit(call) }
            let sight = SeenValue(content.value, stamp: stamp(content.value, version))
            add(call, update.lifetime == .keep ? .rewrite(sight, met) : .write(sight, met))
            if case .set(let lifetime) = update.lifetime { addExpiry(call, lifetime, end: content.value) }
        case (.remove, .applied):
            guard let met = met(update, result) else { return misfit(call) }
            add(call, .erase(met))
        case (.keep, .applied): addKept(call, update, result)
        case (.append(let tail), .applied(.integer(let length))):
            guard let version, let write = Content(tail)?.value else { return misfit(call) }
            let sight = SeenValue(write, stamp: stamp(write, version))
            guard let content = ledger.content(appendedBy: write) else { return add(call, .rewrite(sight, .nothing)) }
            guard content.bytes.count == length else { return misfit(call) }
            add(call, .rewrite(sight, content.appendedTo.map { .exactly(SeenValue($0.value)) } ?? .absent))
        case (.add(let amount), .applied(.integer(let sum))):
            guard let version else { return misfit(call) }
            let before = Int(sum - amount)
            let sight = SeenValue(Int(sum), stamp: stamp(Int(sum), version))
            add(call, .rewrite(sight, before == 0 ? .absent : .exactly(SeenValue(before))))
        case (.add, .misfit(.notAnInteger)): add(call, .unmet(.number))
        case (.set, .notApplied), (.remove, .notApplied), (.keep, .notApplied): addUnmet(call, update, result)
        default: misfit(call)
        }
    }

    /// The value that an applied update met, as far as its answer tells. Nil if the update should not have been applied
    /// to that value.
    private func met(_ update: Update, _ result: UpdateResult) -> Requirement? {
        let required = requirement(update.requirement)
        guard update.returnsPrevious else { return required }
        let met: Requirement = result.previous.map { .exactly(SeenValue($0.value)) } ?? .absent
        switch required {
        case .exactly, .absent: return met == required ? met : nil
        case .present, .expiring: return met == .absent ? nil : met
        case .nothing, .number: return met
        }
    }

    private mutating func addKept(_ call: Call, _ update: Update, _ result: UpdateResult) {
        guard case .set(let lifetime) = update.lifetime else {
            return add(call, result.previous.map { .read(SeenValue($0.value)) } ?? .presence(true))
        }
        guard let met = met(update, result) else { return misfit(call) }
        add(call, .schedule(call.write, met))
        addExpiry(call, lifetime, end: call.write)
    }

    private mutating func addUnmet(_ call: Call, _ update: Update, _ result: UpdateResult) {
        let required = requirement(update.requirement)
        if required == .nothing {
            // There was nothing to change.
            if case .set = update.change { return misfit(call) }
            return result.previous == nil ? add(call, .read(nil)) : misfit(call)
        }
        guard update.returnsPrevious, required != .expiring else { return add(call, .unmet(required)) }
        add(call, .mismatch(required: required, met: result.previous.map { SeenValue($0.value) }))
    }

    private mutating func addOpen(_ call: Call, _ update: Update) {
        let required = requirement(update.requirement)
        switch update.change {
        case .set(let bytes, _):
            guard let content = Content(bytes) else { return }
            let sight = SeenValue(content.value)
            addOpen(call, update.lifetime == .keep ? .rewrite(sight, required) : .write(sight, required))
            if case .set(let lifetime) = update.lifetime { addExpiry(call, lifetime, end: content.value) }
        case .remove: addOpen(call, .erase(required))
        case .keep:
            guard case .set(let lifetime) = update.lifetime else { return }
            addOpen(call, .schedule(call.write, required))
            addExpiry(call, lifetime, end: call.write)
        case .append(let tail):
            guard let write = Content(tail)?.value else { return }
            let before = ledger.content(appendedBy: write).map { content -> Requirement in
                content.appendedTo.map { .exactly(SeenValue($0.value)) } ?? .absent
            }
            addOpen(call, .rewrite(SeenValue(write), before ?? .nothing))
        case .add(let amount): addOpen(call, .add(Int(amount)))
        case .overwrite, .addNumber: misfit(call)
        }
    }

    private func requirement(_ requirement: Update.Requirement) -> Requirement {
        switch requirement {
        case .absent: .absent
        case .present: .present
        case .equals(let bytes): .exactly(SeenValue(Content(bytes)?.value ?? -1))
        case .expiring: .expiring
        case .always, .lasting, .laterExpiry, .earlierExpiry, .expiringAndEarlier: .nothing
        }
    }
}

extension Call {
    /// The value that the call would put or set; 0 if it sets none, or one that depends on the present value.
    var value: Int {
        switch command {
        case .put(let put): Content(put.value)?.value ?? 0
        case .update(let update):
            if case .set(let bytes, _) = update.change { Content(bytes)?.value ?? 0 } else { 0 }
        default: 0
        }
    }

    /// The value that an update has made; 0 for a tombstone. Nil if it is unknown.
    func value(after result: UpdateResult) -> Int? {
        guard case .update(let update) = command, case .applied(let told) = result else { return nil }
        switch (update.change, told) {
        // With an expiry in the past, the update leaves a tombstone.
        case (.set, _): if case .set(.until) = update.lifetime { return nil } else { return value }
        case (.append(let tail), _): return Content(tail)?.value
        case (.add, .integer(let sum)): return Int(sum)
        case (.remove, _): return 0
        default: return nil
        }
    }

    /// True if an update with this result has written a record.
    fileprivate func mustWrite(_ result: UpdateResult) -> Bool {
        guard case .update(let update) = command, case .applied = result else { return false }
        return update.change != .keep || update.lifetime != .keep
    }

    var isUnknown: Bool {
        if case .answered(.unknown) = end { return true }
        return false
    }

    /// True if the call is an update that was applied because the value had an expiry.
    var requiredEnd: Bool {
        guard case .update(let update) = command, case .answered(.updated(_, .applied)) = end else { return false }
        return update.requirement == .expiring
    }

    /// True if the call sets a new value that keeps the expiry of the value before. The new value does not show which
    /// value that was.
    var keepsEnd: Bool {
        guard case .update(let update) = command, case .set = update.change else { return false }
        return update.lifetime == .keep
    }
}

extension UpdateResult {
    /// The previous value. Nil if it was absent or was not asked for.
    var previous: Content? {
        switch self {
        case .applied(.bytes(let bytes)), .notApplied(.bytes(let bytes)): Content(bytes)
        default: nil
        }
    }
}
