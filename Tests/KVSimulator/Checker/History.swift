import KVCore

/// One request of a client and what came of it.
struct Call {
    enum End: Hashable {
        case pending
        case answered(Outcome)
        /// The node that was asked died first.
        case lost
    }

    let node: NodeNumber
    let key: Key
    let partition: PartitionID
    let command: Command
    let consistency: Consistency
    /// The number of its change; 0 where it makes none that could be told from others.
    let write: Int
    /// For how long the client waits, by the clock of the node.
    let span: Nanoseconds
    let invoked: UInt64
    var completed: UInt64 = RegisterOperation.open
    var end = End.pending
}

/// Requests are numbered by each node for itself: two nodes use the same numbers.
struct CallID: Hashable {
    let node: NodeNumber
    let request: RequestID
}

/// Every request of a run, in the order in which they were made.
final class History {
    private(set) var calls: [Call] = []
    private(set) var violations: [Violation] = []
    private var pending: [CallID: Int] = [:]
    private(set) var lastWrite = 0

    func nextWrite() -> Int {
        lastWrite += 1
        return lastWrite
    }

    func begin(_ id: CallID, _ call: Call) {
        pending[id] = calls.count
        calls.append(call)
    }

    /// The call that was answered; nil, and a violation, where none was waiting.
    func answer(_ id: CallID, _ outcome: Outcome, at time: UInt64) -> Call? {
        guard let index = pending.removeValue(forKey: id) else {
            violations.append(
                Violation(.answers, "node \(id.node) answered request \(id.request.raw) again, or unasked: \(outcome)"))
            return nil
        }
        calls[index].completed = time
        calls[index].end = .answered(outcome)
        return calls[index]
    }

    /// A node died: none of its requests will be answered. Gives them in the order in which they were made.
    func lose(_ node: NodeNumber) -> [(CallID, Call)] {
        let lost = pending.filter { calls[$0.value].node == node }.sorted { $0.value < $1.value }
        for (id, index) in lost {
            calls[index].end = .lost
            pending[id] = nil
        }
        return lost.map { ($0.key, calls[$0.value]) }
    }

    func add(_ violation: Violation) { violations.append(violation) }

    func pendingCalls() -> [Call] { pending.values.sorted().map { calls[$0] } }
}
