import KVCore

/// A command on several keys: what is to be done on each, and what has come of it so far. Not atomic: each key by
/// itself.
final class RESPGathering {
    enum Sum {
        /// The answers, in the order of the keys.
        case all
        /// The sum of the numbers that they are.
        case total
        /// OK once all are done.
        case done
    }

    let parts: [(key: Key, command: Command)]
    let expectation: RESPExpectation
    private let sum: Sum
    /// The parts from here on have yet to be begun.
    private(set) var next = 0
    /// Parts that have been begun and not answered.
    private var underWay = 0
    /// The answers together are larger than may be, and no more parts are begun.
    private(set) var isOverfull = false
    private let limit: Int
    private var answers: [RESPAnswer]
    private var total: Int64 = 0
    private var failed = 0
    /// Of the answers so far.
    private(set) var bytes = 0
    private var failure: RESPFailure?

    /// - Parameters:
    ///   - parts: one at least.
    ///   - limit: of the answers together, in bytes.
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

    /// The part to begin next; nil where all have been begun.
    func takeNext() -> Int? {
        guard next < parts.count, !isOverfull else { return nil }
        next += 1
        underWay += 1
        return next - 1
    }

    /// True where it was the last.
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

    /// Gives up: what has been gathered is dropped, and no more parts are begun.
    func abandon(_ reason: RESPFailure) {
        isOverfull = true
        answers = []
        bytes = 0
        failure = reason
    }

    /// A part that was begun will not be answered.
    func dropPart() { underWay -= 1 }

    /// All that was begun has ended, and nothing more will be begun.
    var isDone: Bool { underWay == 0 && (isOverfull || next == parts.count) }

    private func failed(_ reason: RESPFailure) {
        failed += 1
        // Above all that others can be told to ask elsewhere, and that something is in doubt.
        if let failure, reason.severity <= failure.severity { return }
        failure = reason
    }

    /// To be asked for when the last answer has come.
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
