import KVCore

/// How much a connection holds of replies, and what those under way may bring: it says whether another command may be
/// begun.
///
/// Two limits apply, the connection's own (`RESPOptions.maximumPendingBytes`) and the budget of its event loop. A read
/// counts before its value is known, as much as the largest reply lately; a value that turns out larger, and does not
/// fit, is dropped and read again when there is room (`RESPReplies.putAside`). So what is held is bounded before the
/// first reply has come.
struct RESPRoom {
    /// Values up to this size count by the average, not one by one. Bytes.
    static let small = 16 << 10
    /// A connection that holds no more than this may begin a command whatever others hold. Bytes.
    static let guaranteed = 64 << 10

    /// Whose replies are charged.
    let budget: ReplyBudget
    private let limit: Int
    /// The largest value there can be.
    private let largest: Int
    private var charged = 0
    /// Replies that wait for earlier ones, and what commands on several keys have gathered. Bytes.
    var ready = 0
    /// What the channel has taken in large pieces and not sent. Bytes.
    var sending = 0
    /// Reads under way.
    private(set) var reads = 0
    /// What the commands under way were counted as when they were begun. Bytes.
    private var reserved = 0
    /// About what a read brings; nil until the first has been answered.
    private var expected: Int?
    /// The budget was what kept something from being begun.
    private(set) var isShortOfBudget = false

    init(budget: ReplyBudget, limit: Int, largestValue: Int) {
        self.budget = budget
        self.limit = limit
        largest = max(largestValue, 1)
    }

    // MARK: What is under way

    /// - Returns: what it is counted as, to be given to `ended`. Bytes.
    mutating func began(_ command: Command) -> Int {
        // A change cannot be carried out again, so it counts as what it may bring at the most.
        guard command.isRead else { return reserve(command.returnsPrevious ? largest : 0) }
        reads += 1
        return reserve(expected ?? largest)
    }

    /// A read that was put aside is carried out again.
    /// - Parameter bytes: what it brings, as it is to be given to `ended`.
    mutating func beganAgain(_ bytes: Int) {
        reads += 1
        reserved += bytes
    }

    private mutating func reserve(_ bytes: Int) -> Int {
        reserved += bytes
        return bytes
    }

    /// - Parameter bytes: of the reply.
    mutating func ended(isRead: Bool, counted: Int, bytes: Int) {
        reserved -= counted
        guard isRead else { return }
        reads -= 1
        let previous = expected ?? 0
        expected = max(bytes, previous - previous / 16)
    }

    /// The value that a read may bring at once, which is counted as so much: a larger one is put aside. Bytes.
    static func allowance(counted: Int) -> Int { max(counted, small) }

    // MARK: Decisions

    /// Whether another command may be begun.
    ///
    /// - Parameters:
    ///   - written: Bytes of replies that the channel has not been given yet.
    ///   - isOldest: True for a part of the oldest command. Only that command's end makes room for its gathered
    ///     answers, which have a limit of their own (`RESPOptions.maximumGatheredBytes`).
    mutating func mayBegin(written: Int, isOldest: Bool = false) -> Bool {
        guard (isOldest ? max(written, reserved) : written + ready + reserved) < limit else { return false }
        return isGranted(written + ready + sending + reserved)
    }

    /// Whether a value that was not expected to be so large may be kept, or fetched again.
    /// - Parameter counted: what its read is counted as already.
    mutating func mayKeep(_ bytes: Int, written: Int, isOldest: Bool, counted: Int) -> Bool {
        let coming = reserved - counted
        let held = written + ready + sending + coming
        let own = isOldest ? coming : written + ready + coming
        guard own + bytes <= limit || isOldest && coming == 0 else { return false }
        return isGranted(held + bytes)
    }

    private mutating func isGranted(_ held: Int) -> Bool {
        if held <= Self.guaranteed || budget.has(held - charged) { return true }
        isShortOfBudget = true
        return false
    }

    /// Whether requests may wait, of which there would be so many bytes, for a client that does not read.
    mutating func mayWait(_ bytes: Int, written: Int) -> Bool {
        isGranted(written + ready + sending + reserved + bytes)
    }

    // MARK: The budget

    /// Charges what is held now.
    /// - Parameter waiting: bytes of requests.
    mutating func settle(written: Int, waiting: Int) {
        let held = written + ready + sending + reserved + (waiting > Self.small ? waiting : 0)
        guard held != charged else { return }
        budget.charge(held - charged)
        charged = held
    }

    /// Whether the budget has kept something from being begun since this was last asked.
    mutating func takeShortOfBudget() -> Bool {
        defer { isShortOfBudget = false }
        return isShortOfBudget
    }

    /// The connection is gone.
    mutating func close() {
        budget.charge(-charged)
        (charged, ready, sending, reads, reserved) = (0, 0, 0, 0, 0)
    }
}

extension Command {
    /// A change whose answer is the value before.
    var returnsPrevious: Bool { if case .update(let update) = self { update.returnsPrevious } else { false } }
}
