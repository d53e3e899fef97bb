import Synchronization

/// Passes items from other threads to a test, in order.
final class Mailbox<Item: Sendable>: Sendable {
    struct NothingCame: Error {}

    private struct State {
        var items: [Item] = []
        var waiter: (id: Int, continuation: CheckedContinuation<Item, any Error>)?
        var waits = 0
    }

    private let state = Mutex(State())

    func put(_ item: Item) {
        let continuation = state.withLock { state in
            guard let waiter = state.waiter else {
                state.items.append(item)
                return CheckedContinuation<Item, any Error>?.none
            }
            state.waiter = nil
            return waiter.continuation
        }
        continuation?.resume(returning: item)
    }

    /// Takes the oldest item. Waits up to ten seconds for one, and then throws `NothingCame`. Only one caller may wait
    /// at a time.
    func next() async throws -> Item {
        let wait = state.withLock { state in
            state.waits += 1
            return state.waits
        }
        let deadline = Task {
            try await Task.sleep(for: .seconds(10))
            expire(wait)
        }
        defer { deadline.cancel() }
        return try await withCheckedThrowingContinuation { continuation in
            let item = state.withLock { state in
                guard state.items.isEmpty else { return Optional(state.items.removeFirst()) }
                state.waiter = (state.waits, continuation)
                return nil
            }
            if let item { continuation.resume(returning: item) }
        }
    }

    private func expire(_ wait: Int) {
        let late = state.withLock { state in
            guard let waiter = state.waiter, waiter.id == wait else {
                return CheckedContinuation<Item, any Error>?.none
            }
            state.waiter = nil
            return waiter.continuation
        }
        late?.resume(throwing: NothingCame())
    }

    /// The items that have not been taken.
    var rest: [Item] { state.withLock { $0.items } }
}
