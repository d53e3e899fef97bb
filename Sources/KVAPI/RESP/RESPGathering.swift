import KVCore

/// A command on several keys: the command for each key, and the answers that have come so far. It is not atomic: the
/// command on each key is executed by itself.
final class RESPGathering {
    enum Sum {
        /// The answers, in the order of the keys.
        case all
        /// The sum of the answers, which are numbers.
        case total
        /// OK, when all keys are done.
        case done
    }

    let parts: [(key: Key, command: Command)]
    let expectation: RESPExpectation
    private let sum: Sum
    /// The first part that has not been begun.
    private(set) var next = 0
    /// Parts that have been begun and not answered.
    private var underWay = 0
    /// Whether the answers together were too large. No more parts are begun then.
    private(set) var isOverfull = false
    private let limit: Int
    private var answers: [RESPAnswer]
    private var total: Int64 = 0
    private var failed = 0
    /// The size of the answers so far.
    private(set) var bytes = 0
    private var failure: RESPFailure?

    /// - Parameters:
    ///   - parts: at least one.
    ///   - limit: how many bytes the answers may have together.
    init(_ parts: [(key: Key, command: Command)], _ expectation: RESPExpectation, _ sum: Sum, limit: Int) {
        self.parts = parts
        self.expectation = expectation
        self.sum = sum
        self.limit = limit
        answers = sum == .all ? Array(repeating: .null, count: parts.count) : []
    }

    var isOfOneSlot: Bool {
        guard let slot = parts.first?.key.slot else { return true }
        return parts.allSatisfy { $0.key.slot == slot }
    }

    /// Takes the part to begin next. Returns nil if all have been begun.
    func takeNext() -> Int? {
        guard next < parts.count, !isOverfull else { return nil }
        next += 1
        underWay += 1
        return next - 1
    }

    /// Takes the answer to a part. Returns true if it was the last one.
    func received(_ answer: RESPAnswer, of part: Int) -> Bool {
        underWay -= 1
        guard !isOverfull else { return isDone }
        bytes += answer.bytes
        guard bytes <= limit else {
            abandon(.tooManyBytes(limit: limit))
            return isDone
        }
        switch answer {
        case .failure(let reason): failed(reason)
        case .integer(let value): total += value
        default: break
        }
        if sum == .all { answers[part] = answer }
        return isDone
    }

    /// Gives up: the gathered answers are dropped, and no more parts are begun.
    func abandon(_ reason: RESPFailure) {
        isOverfull = true
        answers = []
        bytes = 0
        failure = reason
    }

    /// A part that was begun will not be answered.
    func dropPart() { underWay -= 1 }

    /// Whether all parts that were begun have ended and no more will be begun.
    var isDone: Bool { underWay == 0 && (isOverfull || next == parts.count) }

    private func failed(_ reason: RESPFailure) {
        failed += 1
        // The most severe failure is reported: a redirect first, then an unknown outcome.
        if let failure, reason.severity <= failure.severity { return }
        failure = reason
    }

    /// The answer to the whole command, when the last part has been answered.
    var answer: RESPAnswer {
        if let failure {
            let isWhole = isOverfull || failure.severity == .moved || parts.count == 1
            return .failure(isWhole ? failure : .partly(failed, of: parts.count, failure))
        }
        switch sum {
        case .all: return .array(answers)
        case .total: return .integer(total)
        case .done: return .ok
        }
    }
}
