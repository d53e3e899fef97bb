/// The budget for what a shard sends to joining nodes of partitions that move: a token bucket that may be overdrawn by
/// one record.
///
/// Only the shard's timer fills it, so that records leave in one batch for each timer. If single records followed each
/// acknowledgement, each would cost both nodes a turn of their event loops.
struct MoveBudget {
    /// Bytes per second; 0 is no limit.
    let rate: Int
    private var tokens: Int
    private var filled: Instant

    /// Bytes since the last turn of the event loop ended.
    private var movedThisTurn = 0

    /// The bucket holds at most the tokens of this time.
    private static let burst = Nanoseconds.milliseconds(50)
    /// One turn of the event loop sends at most the bytes of this time, which is a little longer than a timer. Clients'
    /// requests wait for the end of the turn, here and at the joining node.
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
