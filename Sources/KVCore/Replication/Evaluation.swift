/// What becomes of a command in view of its key's latest record.
enum Evaluation {
    /// Replace the record; the leader stamps the version.
    case write(value: [UInt8]?, expiry: Expiry, contentType: String)
    /// Nothing changes, and the answer does not depend on the value.
    case answer(Outcome)
    /// Nothing changes, and the answer is the record.
    case answerRecord

    /// `latest` is the newest record of the key, nil where there is none.
    init(_ command: Command, latest: RecordHead?, wall: UInt64) {
        let present = latest.flatMap { $0.isPresent(at: wall) ? $0.version : nil }
        switch command {
        case .get, .list:
            self = present == nil ? .answer(.absent) : .answerRecord
        case .put(let put):
            guard put.condition.holds(of: present) else {
                self = .answer(.conditionFailed(present))
                return
            }
            self = .write(value: put.value, expiry: put.lifetime.expiry(at: wall), contentType: put.contentType)
        case .delete(let condition):
            if present == nil, condition == .always {
                self = .answer(.absent)
            } else if present != nil, condition.holds(of: present) {
                self = .write(value: nil, expiry: .never, contentType: "")
            } else {
                self = .answer(.conditionFailed(present))
            }
        }
    }
}

extension Command {
    /// Whether it can be proposed without knowing the key's latest record.
    var isBlind: Bool {
        if case .put(let put) = self { return put.condition == .always }
        return false
    }
}
