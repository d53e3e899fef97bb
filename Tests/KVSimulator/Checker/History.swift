import KVCore

/// A client's request and how it ended.
struct Call {
    enum End: Hashable {
        case pending
        case answered(Outcome)
        /// The node that was asked died before it answered.
        case lost
    }

    let node: NodeNumber
    let key: Key
    let partition: PartitionID
    let command: Command
    let consistency: Consistency
    /// The number of the write. 0 for a request that writes nothing that could be recognized.
    let write: Int
    /// How long the client waits, by the clock of the node.
    let timeout: Nanoseconds
    /// Which partition had which slots by the node that was asked, then and when it answered.
    let slots: SlotMap
    var slotsAtEnd: SlotMap?
    let invoked: UInt64
    var completed: UInt64 = RegisterOperation.open
    var end = End.pending
}

/// The name of a call. Each node numbers its requests by itself, so two nodes use the same numbers.
struct CallID: Hashable {
    let node: NodeNumber
    let request: RequestID
}

/// All requests of a run, in the order in which they were made.
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

    /// Notes an answer.
    /// - Returns: The call that was answered. Nil, with a violation, if no call was waiting for it.
    func answer(_ id: CallID, _ outcome: Outcome, by slots: SlotMap? = nil, at time: UInt64) -> Call? {
        guard let index = pending.removeValue(forKey: id) else {
            violations.append(
                Violation(.answers, "node \(id.node) answered request \(id.request.raw) again, or unasked: \(outcome)"))
            return nil
        }
        calls[index].completed = time
        calls[index].slotsAtEnd = slots
        calls[index].end = .answered(outcome)
        return calls[index]
    }

    /// Ends the requests of a node that has died, because they will not be answered.
    /// - Returns: These requests, in the order in which they were made.
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
