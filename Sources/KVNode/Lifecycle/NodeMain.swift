import Dispatch
import Glibc
import KVConfig
import Synchronization

/// Runs a node as a process: until it is told to stop, or must.
public enum NodeMain {
    /// Returns after SIGTERM or SIGINT, when the node has stopped in good order. A second signal ends the process at once.
    ///
    /// A store that fails ends the process with status 1, and says why.
    /// - Throws: `NodeError` when the node cannot start.
    public static func run(_ configuration: Configuration) async throws {
        // Set up first: a signal that comes during a long recovery is not lost.
        let signals = StopSignals()
        let node = try await Node.start(configuration) { reason in
            write(STDERR_FILENO, Array("kv: \(reason)\n".utf8))
            _exit(1)
        }
        await signals.wait()
        await node.stop()
    }

    private static func write(_ descriptor: Int32, _ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
}

/// SIGTERM and SIGINT: the first asks to stop, the second does not ask.
private final class StopSignals: Sendable {
    private struct State {
        var isTold = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    /// Kept alive; not touched after `init`.
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    init() {
        let numbers = [SIGTERM, SIGINT]
        sources = numbers.map { number in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: .global())
        }
        for source in sources {
            source.setEventHandler { [weak self] in self?.told() }
            source.resume()
        }
    }

    private func told() {
        let (again, waiter) = state.withLock { state in
            defer {
                state.isTold = true
                state.waiter = nil
            }
            return (state.isTold, state.waiter)
        }
        if again { _exit(128 + SIGTERM) }
        waiter?.resume()
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isTold = state.withLock { state in
                if !state.isTold { state.waiter = continuation }
                return state.isTold
            }
            if isTold { continuation.resume() }
        }
    }
}
