import NIOCore
import Synchronization

/// A request to one node, until its result is known.
///
/// The first of these decides: the answer, a deadline, a lost connection, or the cancellation of the task that waits. A
/// request that ends after it was sent keeps its number or its place in the queue of its connection, so that its late
/// answer is not taken for the answer to another request.
final class PendingRequest: Sendable {
    enum Result: Sendable {
        case answer(Answer)
        /// The node has not executed the request.
        case notSent(String)
        /// The node may have executed the request.
        case lost(String)
        /// Too many requests wait for this node already. The node has not seen this one.
        case turnedAway
        case cancelled(wasSent: Bool)
    }

    private struct State {
        /// Set while a task waits.
        var continuation: CheckedContinuation<Result, Never>?
        /// Set if the request ended before a task waited for it.
        var result: Result?
        var isSent = false
        var isOver = false
        /// Whom to tell if the task is cancelled after the request was sent.
        var lane: FrameLane?
    }

    let request: Request
    /// The latest time to send the request; after it, the request ends as not sent.
    let sendBy: NIODeadline
    /// The latest time for the answer; not before `sendBy`.
    let deadline: NIODeadline
    private let state = Mutex(State())

    init(_ request: Request, sendBy: NIODeadline, deadline: NIODeadline) {
        self.request = request
        self.sendBy = min(sendBy, deadline)
        self.deadline = deadline
    }

    /// Calls `submit`, and waits for the result. Cancelling the task ends the wait at once.
    func result(submit: (PendingRequest) -> Void) async -> Result {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let early = state.withLock { state in
                    if state.result == nil { state.continuation = continuation }
                    return state.result
                }
                // The task was cancelled before the wait began.
                if let early { continuation.resume(returning: early) } else { submit(self) }
            }
        } onCancel: {
            end { .cancelled(wasSent: $0) }
            state.withLock { $0.lane }?.abandoned()
        }
    }

    /// Marks the request as sent.
    /// - Parameter lane: is told if the task is cancelled from now on.
    /// - Returns: false if it has ended already; then it must not be sent.
    func beginSending(by lane: FrameLane? = nil) -> Bool {
        state.withLock { state in
            guard !state.isOver else { return false }
            state.isSent = true
            state.lane = lane
            return true
        }
    }

    var isOver: Bool { state.withLock { $0.isOver } }

    /// Ends the request, unless it has ended.
    /// - Returns: false if it had.
    @discardableResult
    func end(_ result: Result) -> Bool { end { _ in result } }

    @discardableResult
    private func end(_ result: (_ wasSent: Bool) -> Result) -> Bool {
        var hasEnded = false
        let ended = state.withLock { state -> (CheckedContinuation<Result, Never>, Result)? in
            guard !state.isOver else { return nil }
            state.isOver = true
            hasEnded = true
            let result = result(state.isSent)
            guard let continuation = state.continuation else {
                state.result = result
                return nil
            }
            state.continuation = nil
            return (continuation, result)
        }
        if let (continuation, result) = ended { continuation.resume(returning: result) }
        return hasEnded
    }
}
