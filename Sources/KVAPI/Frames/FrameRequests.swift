import KVCore
import KVProtocol

/// What a request of the client protocol asks of the backend.
enum FrameDecision {
    case execute(Command, RequestOptions)
    case list(ListRequest)
    case answer(AnswerFrame.Content)
}

/// Checks requests against the limits of the node, and says what they ask for.
struct FrameRequests {
    let limits: RequestLimits

    /// - Parameter settings: see `Backend.settings`.
    func decision(_ frame: RequestFrame, settings: @autoclosure () -> ClusterSettings?) -> FrameDecision {
        let timeout = Nanoseconds.milliseconds(UInt64(frame.timeout))
        guard timeout <= RequestOptions.maximumTimeout else {
            return bad("a time of at most \(RequestOptions.maximumTimeout.milliseconds / 1000) s can be asked for")
        }
        var options = RequestOptions()
        if timeout != .zero { options.timeout = timeout }
        let length = frame.key.bytes.count
        switch frame.operation {
        case .list(let page): return list(page, prefix: frame.key, options.timeout, settings)
        case _ where length > limits.key: return bad(LimitText.keyTooLong(length, limit: limits.key))
        case .get(let consistency):
            options.consistency = consistency
            return .execute(.get, options)
        case .put(let put):
            guard put.value.count <= limits.value else {
                return bad(LimitText.valueTooLong(put.value.count, limit: limits.value))
            }
            guard put.contentType.isEmpty || isMediaType(put.contentType) else {
                return bad("a content type is TYPE/SUBTYPE, as in text/plain")
            }
            return .execute(.put(put), options)
        case .delete(let condition): return .execute(.delete(condition), options)
        case .add(let addend, let lifetime):
            let update = Update(.add(addend), lifetime: lifetime, maximumLength: limits.value)
            return .execute(.update(update), options)
        case .touch(let lifetime):
            guard lifetime != .keep else { return bad("a change of the expiry says which") }
            return .execute(.update(Update(.keep, lifetime: lifetime, maximumLength: limits.value)), options)
        }
    }

    private func list(
        _ page: ListPage, prefix: Key, _ timeout: Nanoseconds, _ settings: () -> ClusterSettings?
    ) -> FrameDecision {
        guard (1...ListQuery.maximumLimit).contains(page.limit) else {
            return bad("a page has 1 to \(ListQuery.maximumLimit) keys")
        }
        var cursor: ListCursor?
        if !page.cursor.isEmpty {
            guard let settings = settings() else { return .answer(FrameAnswers.refused(.notMember)) }
            cursor = ListCursor(opaque: page.cursor, settings, limits)
            guard cursor != nil else { return bad(FailureText.foreignCursor) }
        }
        return .list(
            ListRequest(
                prefix: prefix.bytes, cursor: cursor, limit: page.limit, values: page.values, timeout: timeout))
    }

    private func bad(_ message: String) -> FrameDecision { .answer(FrameAnswers.bad(message)) }
}
