import NIOCore
import Synchronization

/// The budgets of a node's event loops: `limits.replies`, in equal parts. A connection is charged on its own loop, so
/// that nothing is shared between threads.
package final class ReplyBudgets: Sendable {
    /// The budget of each loop. Bytes.
    let share: Int
    private let budgets = Mutex<[ObjectIdentifier: ReplyBudget]>([:])

    /// - Parameters:
    ///   - bytes: the budget of all loops together.
    ///   - loops: the number of loops that serve clients, at least 1.
    package init(bytes: Int, loops: Int) { share = max(bytes / max(loops, 1), 1) }

    /// Called once for a connection, not for each command.
    func budget(of loop: any EventLoop) -> ReplyBudget {
        budgets.withLock { budgets in
            let id = ObjectIdentifier(loop)
            if let budget = budgets[id] { return budget }
            let budget = ReplyBudget(limit: share, loop: loop)
            budgets[id] = budget
            return budget
        }
    }
}

/// Bounds the bytes that the client connections of one event loop hold together: replies that are gathered, that wait
/// or that are not sent, the values that reads under way may bring, and requests that wait for their clients to read.
///
/// The budget may be exceeded a little: a connection that holds next to nothing may always begin one more command
/// (`ReplyRoom.guaranteed`). So clients that do not read lock nobody out, and no connection waits for itself.
///
/// Sendable because it is touched on `loop` only.
final class ReplyBudget: @unchecked Sendable {
    /// Bytes.
    let limit: Int
    @exclusivity(unchecked) private(set) var used = 0
    private let loop: any EventLoop
    private var waiting = CircularBuffer<@Sendable () -> Void>()
    private var isWaking = false

    init(limit: Int, loop: any EventLoop) {
        self.limit = limit
        self.loop = loop
    }

    @inline(__always)
    func has(_ bytes: Int) -> Bool { used + bytes <= limit }

    @inline(__always)
    func charge(_ bytes: Int) {
        guard bytes != 0 else { return }
        used += bytes
        assert(used >= 0, "more was given back than was charged")
        if bytes < 0, !waiting.isEmpty { wakeSoon() }
    }

    /// Calls `body` once when other connections have given back some of what they hold, in the order of these calls.
    func whenFreed(_ body: @escaping @Sendable () -> Void) { waiting.append(body) }

    private func wakeSoon() {
        guard used < limit, !isWaking else { return }
        isWaking = true
        loop.execute { [self] in wake() }
    }

    private func wake() {
        isWaking = false
        // A connection that finds too little room waits again, behind the others.
        for _ in 0..<waiting.count {
            guard used < limit, let next = waiting.popFirst() else { return }
            next()
        }
    }
}
