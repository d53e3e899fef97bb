import KVCore
import Synchronization

/// The last keys of the cursors that a node has given out lately, so that a SCAN that goes on there need not look for
/// them. It may forget any of them.
final class ScanPositions: Sendable {
    private struct State {
        var keys: [ScanCursor: Key] = [:]
        /// In the order in which they were given out, from `oldest` on and around.
        var order: [ScanCursor] = []
        var oldest = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = max(limit, 1) }

    func remember(_ key: Key, at cursor: ScanCursor) {
        state.withLock { state in
            guard state.keys.updateValue(key, forKey: cursor) == nil else { return }
            if state.order.count < limit {
                state.order.append(cursor)
            } else {
                state.keys[state.order[state.oldest]] = nil
                state.order[state.oldest] = cursor
                state.oldest = (state.oldest + 1) % limit
            }
        }
    }

    func key(at cursor: ScanCursor) -> Key? { state.withLock { $0.keys[cursor] } }
}
