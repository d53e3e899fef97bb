import NIOCore
import Synchronization

/// One request to one node, until it is known what came of it.
///
/// Whoever ends it first decides: its answer, a deadline, a lost connection, or the cancellation of the task that
/// waits. One that has ended after it was sent keeps its place in its connection's queue, for its answer must not be
/// taken for that of the next.
final class PendingRequest: Sendable {
    enum Result: Sendable {
        case answer(Answer)
        /// The node has carried out nothing of it.
        case notSent(String)
        /// The node may have carried it out.
        case lost(String)
        /// Too many wait for this node already; the node has seen nothing of it.
        case turnedAway
        case cancelled(wasSent: Bool)
    }

    private struct State {
        /// Set while somebody waits.
        var continuation: CheckedContinuation<Result, Never>?
        /// Until somebody waits for it.
        var result: Result?
        var isSent = false
        var isOver = false
    }

    let request: Request
    /// When it is to be sent at the latest, or given back as not sent.
    let sendBy: NIODeadline
    /// When its answer is waited for no longer; not before `sendBy`.
    let deadline: NIODeadline
    private let state = Mutex(State())

    init(_ request: Request, sendBy: NIODeadline, deadline: NIODeadline) {
        self.request = request
        self.sendBy = min(sendBy, deadline)
        self.deadline = deadline
    }

    /// What comes of it once `submit` has been called. Cancelling the task ends the wait at once.
    func result(submit: (PendingRequest) -> Void) async -> Result {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let early = state.withLock { state in
                    if state.result == nil { state.continuation = continuation }
                    return state.result
                }
                // It was cancelled before it began.
                if let early { continuation.resume(returning: early) } else { submit(self) }
            }
        } onCancel: {
            end { .cancelled(wasSent: $0) }
        }
    }

    /// False where it has ended, and so is not to be sent any more.
    func beginSending() -> Bool {
        state.withLock { state in
            if !state.isOver { state.isSent = true }
            return !state.isOver
        }
    }

    var isOver: Bool { state.withLock { $0.isOver } }

    /// Ends it, unless something else has.
    func end(_ result: Result) { end { _ in result } }

    private func end(_ result: (_ wasSent: Bool) -> Result) {
        let ended = state.withLock { state -> (CheckedContinuation<Result, Never>, Result)? in
            guard !state.isOver else { return nil }
            state.isOver = true
            let result = result(state.isSent)
            guard let continuation = state.continuation else {
                state.result = result
                return nil
            }
            state.continuation = nil
            return (continuation, result)
        }
        if let (continuation, result) = ended { continuation.resume(returning: result) }
    }
}
