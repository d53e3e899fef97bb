/// An operation that is under way.
struct PendingOperation: Sendable {
    var operation: Operation
    /// The time from which the latency counts, in nanoseconds: when the operation was due.
    var start: UInt64
    /// The time at which the last request was written, in nanoseconds.
    var sent: UInt64 = 0
    /// The number of answers to the last request that have not come yet.
    var missing = 0
    /// True for a read-modify-write whose read is done: the update is under way.
    var isSecond = false
    /// The number of times that the operation was redirected to another node.
    var redirects = 0
    /// The number of times that the operation has failed. (Only loading tries again.)
    var failures = 0

    init(_ operation: Operation, start: UInt64) {
        self.operation = operation
        self.start = start
    }

    /// Whether the last request was a change.
    var isChange: Bool {
        switch operation.kind {
        case .read, .scan: false
        case .update, .insert: true
        case .readModifyWrite: isSecond
        }
    }

    /// - Parameter random: chooses the cursor of a scan.
    func request(_ random: @autoclosure () -> UInt64) -> WireRequest {
        if operation.kind == .scan { return .scan(at: random(), count: operation.count) }
        return isChange ? .set(key: operation.key) : .get(key: operation.key)
    }
}
