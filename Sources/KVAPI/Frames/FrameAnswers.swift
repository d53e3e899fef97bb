import KVCore
import KVProtocol

/// The answers to requests, as the client protocol says them.
struct FrameAnswers {
    /// This node's id.
    let node: String
    /// Milliseconds since 1970, UTC.
    let wallClock: @Sendable () -> UInt64

    /// The answer to a request that has ended.
    func answer(_ request: Request, number: UInt32) -> AnswerFrame {
        let executor = request.executorID
        return AnswerFrame(
            number: number, executor: executor.isEmpty || executor == node ? nil : executor, content(request))
    }

    private func content(_ request: Request) -> AnswerFrame.Content {
        switch request.outcome {
        case .found(let record): .value(found(record))
        case .absent: .absent
        case .written(let version): .written(version)
        case .conditionFailed(let version): .conditionFailed(version)
        case .updated(let version, let result): updated(version, result)
        case .refused(let refusal): Self.refused(refusal)
        case .unknown(let uncertainty): .failed(FailureCode(uncertainty), FailureText.of(uncertainty))
        case .listed, .counted, nil: Self.unfitting
        }
    }

    private func updated(_ version: Version?, _ result: UpdateResult) -> AnswerFrame.Content {
        switch result {
        case .applied(.integer(let sum)): version.map { .integer(sum, $0) } ?? Self.unfitting
        case .applied: .written(version)
        case .notApplied: .absent
        case .misfit(let misfit): .failed(.misfit, Self.text(of: misfit))
        }
    }

    private func found(_ record: Record) -> FoundValue {
        FoundValue(
            version: record.version, value: record.value ?? [], contentType: record.contentType,
            milliseconds: record.expiry.left(at: wallClock()))
    }

    /// - Parameter slots: `Backend.foundingSlots`.
    func page(_ result: Result<ListReply, ListFailure>, hasValues: Bool, slots: SlotMap) -> AnswerFrame.Content {
        switch result {
        case .failure(let failure): return Self.refused(failure.refusal)
        case .success(let reply):
            let entries = reply.entries.map { key, record in
                FoundPage.Entry(key: key, found: hasValues ? record.map(found) : nil)
            }
            return .page(FoundPage(entries: entries, cursor: reply.next?.opaque(slots)))
        }
    }

    static func refused(_ refusal: Refusal) -> AnswerFrame.Content {
        .failed(FailureCode(refusal), FailureText.of(refusal))
    }

    static let unfitting = AnswerFrame.Content.failed(.internalError, FailureText.unfitting)

    static let noRoom = AnswerFrame.Content.failed(
        .overloaded, FailureText.noRoomForReplies(advice: "read replies as they come, and try again"))

    static func bad(_ message: String) -> AnswerFrame.Content {
        .failed(.badRequest, "nothing was changed: \(message)")
    }

    private static func text(of misfit: Misfit) -> String {
        switch misfit {
        case .notAnInteger, .notANumber:
            "nothing was changed: the key's value is not a decimal integer of 64 bits; put one first"
        case .overflow, .notFinite: "nothing was changed: the sum does not fit in 64 bits"
        case .tooLong: "nothing was changed: the new value would be longer than limits.value allows"
        }
    }
}
