import KVCore

// Encodes the commands of forwarded requests, and their results.

extension ByteWriter {
    mutating func command(_ command: Command) {
        switch command {
        case .get:
            code(CommandType.get)
        case .put(let put):
            code(CommandType.put)
            bytes(put.value)
            string(put.contentType)
            lifetime(put.lifetime)
            condition(put.condition)
        case .delete(let requirement):
            code(CommandType.delete)
            condition(requirement)
        case .list(let query):
            code(CommandType.list)
            bytes(query.prefix)
            byte(query.after == nil ? 0 : 1)
            if let after = query.after { bytes(after.bytes) }
            varint(count: query.limit)
        case .update(let asked):
            code(CommandType.update)
            update(asked)
        case .count:
            code(CommandType.count)
        }
    }

    mutating func lifetime(_ lifetime: Lifetime) {
        switch lifetime {
        case .unlimited:
            code(LifetimeType.unlimited)
        case .milliseconds(let span):
            code(LifetimeType.milliseconds)
            varint(span)
        case .until(let time):
            code(LifetimeType.until)
            varint(time)
        }
    }

    private mutating func condition(_ condition: Condition) {
        switch condition {
        case .always:
            code(ConditionType.always)
        case .ifVersion(let wanted):
            code(ConditionType.ifVersion)
            version(wanted)
        case .ifAbsent:
            code(ConditionType.ifAbsent)
        case .ifPresent:
            code(ConditionType.ifPresent)
        }
    }

    mutating func forwardResult(_ result: ForwardResult) {
        switch result {
        case .outcome(let value):
            code(ForwardResultType.outcome)
            outcome(value)
        case .notLeader(let hint):
            code(ForwardResultType.notLeader)
            optionalNode(hint)
        }
    }

    private mutating func outcome(_ outcome: Outcome) {
        switch outcome {
        case .updated(let new, let result):
            code(OutcomeType.updated)
            optionalVersion(new)
            updateResult(result)
        case .counted(let count):
            code(OutcomeType.counted)
            varint(count: count)
        case .found(let found):
            code(OutcomeType.found)
            record(found)
        case .absent:
            code(OutcomeType.absent)
        case .written(let new):
            code(OutcomeType.written)
            version(new)
        case .conditionFailed(let met):
            code(OutcomeType.conditionFailed)
            optionalVersion(met)
        case .listed(let keys, let more):
            code(OutcomeType.listed)
            varint(count: keys.count)
            for key in keys { bytes(key.bytes) }
            byte(more ? 1 : 0)
        case .refused(let refusal):
            code(OutcomeType.refused)
            byte(refusal.rawValue)
        case .unknown(let uncertainty):
            code(OutcomeType.unknown)
            byte(uncertainty.rawValue)
        }
    }
}

extension ByteReader {
    mutating func command() throws(WireError) -> Command {
        switch try code(CommandType.self, "command") {
        case .get:
            return .get
        case .put:
            let value = try bytes("value length")
            let contentType = try string("content type", limit: Record.maximumContentType)
            let lifetime = try lifetime()
            let condition = try condition()
            return .put(Put(value: value, contentType: contentType, lifetime: lifetime, condition: condition))
        case .delete:
            return .delete(try condition())
        case .list:
            let prefix = try bytes("prefix length")
            let after = try boolean("presence of a key") ? try key() : nil
            let limit = try varint(in: 1...ListQuery.maximumLimit, "limit of a list")
            return .list(ListQuery(prefix: prefix, after: after, limit: limit))
        case .update:
            return .update(try update())
        case .count:
            return .count
        }
    }

    mutating func lifetime() throws(WireError) -> Lifetime {
        switch try code(LifetimeType.self, "lifetime") {
        case .unlimited: return .unlimited
        case .milliseconds: return .milliseconds(try varint())
        case .until: return .until(try varint())
        }
    }

    private mutating func condition() throws(WireError) -> Condition {
        switch try code(ConditionType.self, "condition") {
        case .always: return .always
        case .ifVersion: return .ifVersion(try version())
        case .ifAbsent: return .ifAbsent
        case .ifPresent: return .ifPresent
        }
    }

    mutating func forwardResult() throws(WireError) -> ForwardResult {
        switch try code(ForwardResultType.self, "result of a forward") {
        case .outcome: return .outcome(try outcome())
        case .notLeader: return .notLeader(hint: try optionalNode())
        }
    }

    private mutating func outcome() throws(WireError) -> Outcome {
        switch try code(OutcomeType.self, "outcome") {
        case .found: return .found(try record())
        case .absent: return .absent
        case .written: return .written(try version())
        case .conditionFailed: return .conditionFailed(try optionalVersion())
        case .listed:
            let count = try count(of: "list of keys", size: 1, limit: ListQuery.maximumLimit)
            var keys: [Key] = []
            keys.reserveCapacity(count)
            for _ in 0..<count { keys.append(try key()) }
            return .listed(keys: keys, more: try boolean("end of a list"))
        case .refused: return .refused(try code(Refusal.self, "refusal"))
        case .unknown: return .unknown(try code(Uncertainty.self, "uncertainty"))
        case .updated: return .updated(try optionalVersion(), try updateResult())
        case .counted: return .counted(try varint(in: 0...Int.max, "count of keys"))
        }
    }
}
