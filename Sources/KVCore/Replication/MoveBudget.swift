/// What may be sent to the joining nodes of moving partitions now: a token bucket that lends one record at a time.
///
/// It is filled by the shard's timer alone, so that what may be moved leaves in one batch a timer: records that follow
/// each acknowledgement one by one cost both ends a turn of their event loop each.
struct MoveBudget {
    /// Bytes a second; 0 is no limit.
    let rate: Int
    private var tokens: Int
    private var filled: Instant

    /// Bytes since the last turn of the event loop ended.
    private var movedThisTurn = 0

    /// The bucket holds what comes in this time.
    private static let burst = Nanoseconds.milliseconds(50)
    /// No turn sends more than what comes in this time, a little over a timer's: clients' requests wait for its end,
    /// here and at the joining node.
    private static let turn = Nanoseconds.milliseconds(12)

    init(rate: Int, now: Instant) {
        self.rate = max(rate, 0)
        tokens = 0
        filled = now
    }

    var mayMove: Bool {
        rate == 0 || tokens > 0 && (movedThisTurn == 0 || movedThisTurn < bytes(in: Self.turn))
    }

    mutating func moved(_ bytes: Int) {
        guard rate > 0 else { return }
        tokens = tokens.subtractingReportingOverflow(bytes).partialValue
        movedThisTurn = movedThisTurn.addingReportingOverflow(bytes).partialValue
    }

    mutating func endTurn() { movedThisTurn = 0 }

    mutating func refill(at now: Instant) {
        guard rate > 0 else { return }
        let span = min((now - filled).nanoseconds, 1_000_000_000)
        let (product, overflow) = UInt64(rate).multipliedReportingOverflow(by: span)
        let gained = overflow ? rate : Int(clamping: product / 1_000_000_000)
        guard gained > 0 else { return }
        filled = now
        tokens = min(tokens.addingReportingOverflow(gained).partialValue, bytes(in: Self.burst))
    }

    private func bytes(in span: Nanoseconds) -> Int { max(Int(clamping: UInt64(rate) / 1000 * span.milliseconds), 1) }
}
