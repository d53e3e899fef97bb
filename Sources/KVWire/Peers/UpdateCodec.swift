import KVCore

// Encodes the updates of forwarded requests, and their results.

extension ByteWriter {
    mutating func update(_ update: Update) {
        change(update.change)
        requirement(update.requirement)
        switch update.lifetime {
        case .keep:
            byte(0)
        case .set(let value):
            byte(1)
            lifetime(value)
        }
        byte(update.returnsPrevious ? 1 : 0)
        // Nothing longer could be sent to a replica.
        varint(count: min(update.maximumLength, FrameLimits.payload))
    }

    private mutating func change(_ change: Update.Change) {
        switch change {
        case .set(let value, let contentType):
            code(ChangeType.set)
            bytes(value)
            string(contentType)
        case .remove:
            code(ChangeType.remove)
        case .keep:
            code(ChangeType.keep)
        case .append(let tail):
            code(ChangeType.append)
            bytes(tail)
        case .overwrite(let offset, let value):
            code(ChangeType.overwrite)
            varint(count: offset)
            bytes(value)
        case .add(let amount):
            code(ChangeType.add)
            fixed(amount)
        case .addNumber(let amount):
            code(ChangeType.addNumber)
            bytes(amount)
        }
    }

    private mutating func requirement(_ requirement: Update.Requirement) {
        switch requirement {
        case .always: code(RequirementType.always)
        case .absent: code(RequirementType.absent)
        case .present: code(RequirementType.present)
        case .equals(let value):
            code(RequirementType.equals)
            bytes(value)
        case .lasting: code(RequirementType.lasting)
        case .expiring: code(RequirementType.expiring)
        case .laterExpiry: code(RequirementType.laterExpiry)
        case .earlierExpiry: code(RequirementType.earlierExpiry)
        case .expiringAndEarlier: code(RequirementType.expiringAndEarlier)
        }
    }

    mutating func updateResult(_ result: UpdateResult) {
        switch result {
        case .applied(let value):
            code(UpdateResultType.applied)
            updateValue(value)
        case .notApplied(let value):
            code(UpdateResultType.notApplied)
            updateValue(value)
        case .misfit(let misfit):
            code(UpdateResultType.misfit)
            byte(misfit.rawValue)
        }
    }

    private mutating func updateValue(_ value: UpdateValue) {
        switch value {
        case .none:
            code(UpdateValueType.none)
        case .bytes(let value):
            code(UpdateValueType.bytes)
            bytes(value)
        case .integer(let value):
            code(UpdateValueType.integer)
            fixed(value)
        }
    }
}

extension ByteReader {
    mutating func update() throws(WireError) -> Update {
        let change = try change()
        let requirement = try requirement()
        let lifetime: Update.LifetimeChange = try boolean("presence of a lifetime") ? .set(try lifetime()) : .keep
        let returnsPrevious = try boolean("wish for the previous value")
        let maximumLength = try varint(in: 0...FrameLimits.payload, "maximum length")
        return Update(
            change, requirement: requirement, lifetime: lifetime, returnsPrevious: returnsPrevious,
            maximumLength: maximumLength)
    }

    private mutating func change() throws(WireError) -> Update.Change {
        switch try code(ChangeType.self, "change") {
        case .set:
            let value = try bytes("value length")
            return .set(value, contentType: try string("content type", limit: Record.maximumContentType))
        case .remove: return .remove
        case .keep: return .keep
        case .append: return .append(try bytes("length of a tail"))
        case .overwrite:
            let offset = try varint(in: 0...Int.max, "offset")
            return .overwrite(offset: offset, try bytes("value length"))
        case .add: return .add(try fixed(Int64.self))
        case .addNumber: return .addNumber(try bytes("length of a number"))
        }
    }

    private mutating func requirement() throws(WireError) -> Update.Requirement {
        switch try code(RequirementType.self, "requirement") {
        case .always: return .always
        case .absent: return .absent
        case .present: return .present
        case .equals: return .equals(try bytes("value length"))
        case .lasting: return .lasting
        case .expiring: return .expiring
        case .laterExpiry: return .laterExpiry
        case .earlierExpiry: return .earlierExpiry
        case .expiringAndEarlier: return .expiringAndEarlier
        }
    }

    mutating func updateResult() throws(WireError) -> UpdateResult {
        switch try code(UpdateResultType.self, "result of an update") {
        case .applied: return .applied(try updateValue())
        case .notApplied: return .notApplied(try updateValue())
        case .misfit: return .misfit(try code(Misfit.self, "misfit"))
        }
    }

    private mutating func updateValue() throws(WireError) -> UpdateValue {
        switch try code(UpdateValueType.self, "value of an update") {
        case .none: return .none
        case .bytes: return .bytes(try bytes("value length"))
        case .integer: return .integer(try fixed(Int64.self))
        }
    }
}
