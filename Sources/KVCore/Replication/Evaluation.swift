/// What becomes of a command in view of its key's latest record.
enum Evaluation: Equatable {
    /// Replace the record. `result` is an update's, nil for other commands.
    case write(Draft, result: UpdateResult? = nil)
    /// Nothing changes, and this is the answer.
    case answer(Outcome)
    /// Nothing changes, and the answer is the record.
    case answerRecord
    /// It takes the record's value to tell.
    case readValue

    /// - Parameters:
    ///   - latest: the newest record of the key, nil where there is none.
    ///   - record: the same with its value, where that is at hand.
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
    /// Whether it can be proposed without knowing the key's latest record.
    var isBlind: Bool {
        switch self {
        case .put(let put): put.condition == .always
        case .update(let update): update.isBlind
        case .get, .delete, .list, .count: false
        }
    }
}
