import KVCore

/// How long a connection waits for what may never come by itself: for other clients to give back what they hold, and
/// for its own to read replies.
struct RESPPatience {
    enum Verdict {
        case nothing
        /// The oldest command has waited long enough for room for its answer.
        case abandonGathering
        /// The client sends, does not read, and holds all that it may.
        case endConnection
    }

    private let gathering: Nanoseconds
    private let stall: Nanoseconds
    private var starvedUntil: Instant?
    private var stalledUntil: Instant?
    /// What the channel held when that began, or was last looked at.
    private var unsent: Int?

    init(gathering: Nanoseconds, stall: Nanoseconds) {
        self.gathering = gathering
        self.stall = stall
    }

    var deadline: Instant? {
        guard let starvedUntil, let stalledUntil else { return starvedUntil ?? stalledUntil }
        return min(starvedUntil, stalledUntil)
    }

    mutating func look(now: Instant, isStarved: Bool, isStuck: Bool) {
        if !isStarved { starvedUntil = nil } else if starvedUntil == nil { starvedUntil = now + gathering }
        if !isStuck {
            stalledUntil = nil
            unsent = nil
        } else if stalledUntil == nil {
            stalledUntil = now + stall
        }
    }

    mutating func end() {
        starvedUntil = nil
        stalledUntil = nil
    }

    /// - Parameter unsent: bytes that the channel holds now.
    mutating func timer(now: Instant, unsent: Int) -> Verdict {
        if let starvedUntil, starvedUntil <= now {
            self.starvedUntil = nil
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
