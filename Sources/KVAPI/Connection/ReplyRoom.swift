import KVCore

/// Counts the replies that a connection holds and those that its commands under way may bring, and decides from that
/// whether another command may be begun.
///
/// Two limits apply, the connection's own (`RESPOptions.maximumPendingBytes`) and the budget of its event loop. A read
/// is counted before its value is known, as the largest reply of late. A value that turns out to be larger and does not
/// fit is dropped, and read again when there is room (`RESPReplies.putAside`). So the bytes that are held are bounded
/// even before the first reply has come.
struct ReplyRoom {
    /// Values up to this size are counted by the average, not one by one. Bytes.
    static let small = 16 << 10
    /// A connection that holds at most this much may begin a command whatever others hold. Bytes.
    static let guaranteed = 64 << 10

    /// The budget that is charged.
    let budget: ReplyBudget
    private let limit: Int
    /// The size of the largest possible value. Bytes.
    private let largest: Int
    private var charged = 0
    /// Replies that wait for earlier ones, and answers that commands on several keys have gathered. Bytes.
    var ready = 0
    /// Large pieces that the channel has taken and not sent. Bytes.
    var sending = 0
    /// Reads under way.
    private(set) var reads = 0
    /// The commands under way, each as it was counted when it was begun. Bytes.
    private var reserved = 0
    /// The size that a read is expected to have; nil until the first has been answered. Bytes.
    private var expected: Int?
    /// Whether a command could not be begun because of the budget.
    private(set) var isShortOfBudget = false

    init(budget: ReplyBudget, limit: Int, largestValue: Int) {
        self.budget = budget
        self.limit = limit
        largest = max(largestValue, 1)
    }

    // MARK: What is under way

    /// Counts a command that is begun.
    /// - Returns: the bytes that it is counted as, to be given to `ended`.
    mutating func began(_ command: Command) -> Int {
        // A change cannot be carried out again, so it is counted as the most that it may bring.
        guard command.isRead else { return reserve(command.returnsPrevious ? largest : 0) }
        reads += 1
        return reserve(expected ?? largest)
    }

    /// Counts a read that was put aside and is carried out again.
    /// - Parameter bytes: the size of its value, to be given to `ended`.
    mutating func beganAgain(_ bytes: Int) {
        reads += 1
        reserved += bytes
    }

    private mutating func reserve(_ bytes: Int) -> Int {
        reserved += bytes
        return bytes
    }

    /// A command has been answered.
    /// - Parameter bytes: the size of the reply.
    mutating func ended(isRead: Bool, counted: Int, bytes: Int) {
        reserved -= counted
        guard isRead else { return }
        reads -= 1
        let previous = expected ?? 0
        expected = max(bytes, previous - previous / 16)
    }

    /// The size up to which the value of a read that is counted as `counted` is not put aside. Bytes.
    static func allowance(counted: Int) -> Int { max(counted, small) }

    // MARK: Decisions

    /// Whether another command may be begun.
    /// - Parameters:
    ///   - written: Bytes of replies that the channel has not been given yet.
    ///   - isOldest: True for a part of the oldest command. Only that command's end makes room for its gathered
    ///     answers, which have a limit of their own (`RESPOptions.maximumGatheredBytes`).
    mutating func mayBegin(written: Int, isOldest: Bool = false) -> Bool {
        guard (isOldest ? max(written, reserved) : written + ready + reserved) < limit else { return false }
        return isGranted(written + ready + sending + reserved)
    }

    /// Whether a value that is larger than expected may be kept, or fetched again.
    /// - Parameter counted: the bytes that its read is counted as already.
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

    /// Whether this many bytes of requests may wait for a client that does not read.
    mutating func mayWait(_ bytes: Int, written: Int) -> Bool {
        isGranted(written + ready + sending + reserved + bytes)
    }

    // MARK: The budget

    /// Charges the budget for what is held now.
    /// - Parameter waiting: bytes of requests that wait.
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
    /// Whether this is a change that is answered with the value before it.
    var returnsPrevious: Bool { if case .update(let update) = self { update.returnsPrevious } else { false } }
}
