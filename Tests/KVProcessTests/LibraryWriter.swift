import KVClient
import Synchronization

/// A client that puts and reads its own keys, one after the other, and checks what it reads.
final class LibraryWriter: Sendable {
    private struct State {
        var isStopped = false
        var done = 0
        var failures: [String] = []
        var problems: [String] = []
        /// For each key, the numbers that it may hold: what was acknowledged last, and what has been in doubt since.
        var possible: [Key: Set<Int>] = [:]
    }

    private let client: KVClient
    let keys: [Key]
    private let state = Mutex(State())

    init(_ client: KVClient, number: Int) {
        self.client = client
        keys = (0..<20).map { Key("library/\(number)/\($0)") }
    }

    var done: Int { state.withLock { $0.done } }
    /// The operations that were refused, or whose outcome is unknown.
    var failures: [String] { state.withLock { $0.failures } }
    var problems: [String] { state.withLock { $0.problems } }

    func stop() { state.withLock { $0.isStopped = true } }

    func run() async {
        var number = 0
        while !state.withLock({ $0.isStopped }) {
            number += 1
            let key = keys[number % keys.count]
            await put(number, key)
            await read(key)
        }
    }

    private func put(_ number: Int, _ key: Key) async {
        do {
            try await client.put(key, Array("\(number)".utf8))
            state.withLock { state in
                state.possible[key] = [number]
                state.done += 1
            }
        } catch {
            note(error, "put \(number) of \(key)")
            if (error as? KVError)?.effect == .unknown {
                state.withLock { _ = $0.possible[key, default: [0]].insert(number) }
            }
        }
    }

    private func read(_ key: Key) async {
        do {
            let number = try await client.get(key).map { $0.text.flatMap { Int($0) } ?? -1 } ?? 0
            state.withLock { state in
                state.done += 1
                let possible = state.possible[key] ?? [0]
                if !possible.contains(number) { state.problems.append("\(key) is \(number) and not of \(possible)") }
            }
        } catch {
            note(error, "read of \(key)")
        }
    }

    private func note(_ error: any Error, _ what: String) {
        state.withLock { state in
            state.failures.append("\(what): \(error)")
            let error = error as? KVError
            if error?.isRetryable == true || error?.effect == .unknown && what.hasPrefix("put") { return }
            state.problems.append("\(what) is neither done, refused nor in doubt: \(String(reflecting: error))")
        }
    }

    /// Reads all keys, now that nothing is under way.
    func check() async throws {
        for key in keys { await read(key) }
    }
}
