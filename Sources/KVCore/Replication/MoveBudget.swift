/// What may be sent to the newcomers of moving partitions now: a token bucket that lends one record at a time.
struct MoveBudget {
    /// Bytes a second; 0 is no limit.
    let rate: Int
    private var tokens: Int
    private var filled: Instant

    /// The bucket holds what comes in this time: a replica is visited every fourth timer of a shard. More would leave at once after a
    /// pause, and be noticed.
    private static let burst = Span.milliseconds(50)

    init(rate: Int, now: Instant) {
        self.rate = max(rate, 0)
        tokens = 0
        filled = now
    }

    mutating func mayMove(at now: Instant) -> Bool {
        guard rate > 0 else { return true }
        refill(now)
        return tokens > 0
    }

    mutating func moved(_ bytes: Int) {
        guard rate > 0 else { return }
        tokens = tokens.subtractingReportingOverflow(bytes).partialValue
    }

    private mutating func refill(_ now: Instant) {
        let span = min((now - filled).nanoseconds, 1_000_000_000)
        let (product, overflow) = UInt64(rate).multipliedReportingOverflow(by: span)
        let gained = overflow ? rate : Int(clamping: product / 1_000_000_000)
        guard gained > 0 else { return }
        filled = now
        let limit = max(Int(clamping: UInt64(rate) / 1000 * Self.burst.milliseconds), 1)
        tokens = min(tokens.addingReportingOverflow(gained).partialValue, limit)
    }
}
