import KVCore

/// Bounds the waiting for events that may never come by themselves: other clients give back what they hold, and the
/// connection's own client reads its replies.
struct ConnectionPatience {
    enum Verdict {
        case nothing
        /// The oldest command has waited long enough for room for its answer.
        case abandonGathering
        /// The client sends, does not read, and holds all that it may.
        case endConnection
    }

    private let gathering: Nanoseconds
    private let stall: Nanoseconds
    private var pausedUntil: Instant?
    private var stalledUntil: Instant?
    /// Bytes that the channel held when the stall began, or at the last look.
    private var unsent: Int?

    init(gathering: Nanoseconds, stall: Nanoseconds) {
        self.gathering = gathering
        self.stall = stall
    }

    var deadline: Instant? {
        guard let pausedUntil, let stalledUntil else { return pausedUntil ?? stalledUntil }
        return min(pausedUntil, stalledUntil)
    }

    mutating func look(now: Instant, isThrottled: Bool, isStuck: Bool) {
        if !isThrottled { pausedUntil = nil } else if pausedUntil == nil { pausedUntil = now + gathering }
        if !isStuck {
            stalledUntil = nil
            unsent = nil
        } else if stalledUntil == nil {
            stalledUntil = now + stall
        }
    }

    mutating func end() {
        pausedUntil = nil
        stalledUntil = nil
    }

    /// - Parameter unsent: bytes that the channel holds now.
    mutating func timer(now: Instant, unsent: Int) -> Verdict {
        if let pausedUntil, pausedUntil <= now {
            self.pausedUntil = nil
            return .abandonGathering
        }
        guard let stalledUntil, stalledUntil <= now else { return .nothing }
        guard self.unsent == unsent else {
            self.unsent = unsent
            self.stalledUntil = now + stall
            return .nothing
        }
        self.stalledUntil = nil
        return .endConnection
    }
}
