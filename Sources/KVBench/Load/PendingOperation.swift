/// An operation under way.
struct PendingOperation: Sendable {
    var operation: Operation
    /// From when its latency counts, in nanoseconds: when it was to begin.
    var start: UInt64
    /// When its request was written.
    var sent: UInt64 = 0
    /// Answers that are missing of the request under way.
    var missing = 0
    /// The update of a read-modify-write, whose read is done.
    var isSecond = false
    /// Times that it was sent on to another node.
    var redirects = 0
    /// Times that it has failed, of those that are tried again.
    var failures = 0

    init(_ operation: Operation, start: UInt64) {
        self.operation = operation
        self.start = start
    }

    /// Whether the request under way changes anything.
    var isChange: Bool {
        switch operation.kind {
        case .read, .scan: false
        case .update, .insert: true
        case .readModifyWrite: isSecond
        }
    }

    /// - Parameter random: chooses where a scan begins.
    func request(_ random: @autoclosure () -> UInt64) -> WireRequest {
        if operation.kind == .scan { return .scan(at: random(), count: operation.count) }
        return isChange ? .set(key: operation.key) : .get(key: operation.key)
    }
}
