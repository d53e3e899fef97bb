/// The result of evaluating a command on its key's latest record.
enum Evaluation: Equatable {
    /// The command writes a record. `result` is an update's result; nil for other commands.
    case write(Draft, result: UpdateResult? = nil)
    /// The command changes nothing, and this is the answer.
    case answer(Outcome)
    /// The command changes nothing, and the answer is the record.
    case answerRecord
    /// The command cannot be evaluated without the record's value.
    case readValue

    /// Evaluates a command.
    ///
    /// - Parameters:
    ///   - latest: The newest record of the key; nil if there is none.
    ///   - record: The same record with its value; nil if the value is not at hand.
    ///   - wall: The node's time, in milliseconds since 1970.
    init(_ command: Command, latest: RecordHead?, record: Record?, wall: UInt64) {
        let head = latest.flatMap { $0.isPresent(at: wall) ? $0 : nil }
        let present = head?.version
        switch command {
        case .get, .list, .count:
            self = present == nil ? .answer(.absent) : .answerRecord
        case .put(let put):
            guard put.condition.holds(of: present) else {
                self = .answer(.conditionFailed(present))
                return
            }
            self = .write(
                Draft(value: put.value, expiry: put.lifetime.expiry(at: wall), contentType: put.contentType))
        case .delete(let condition):
            if present == nil, condition == .always {
                self = .answer(.absent)
            } else if present != nil, condition.holds(of: present) {
                self = .write(.tombstone)
            } else {
                self = .answer(.conditionFailed(present))
            }
        case .update(let update):
            self = UpdateEvaluation(update, present: head, record: record, wall: wall).evaluation
        }
    }
}

extension Command {
    /// True if the command can be evaluated without knowing the key's latest record.
    var isBlind: Bool {
        switch self {
        case .put(let put): put.condition == .always
        case .update(let update): update.isBlind
        case .get, .delete, .list, .count: false
        }
    }
}
