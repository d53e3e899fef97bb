import Dispatch
import Glibc
import Synchronization

/// Handles SIGINT and SIGTERM: the first signal asks the command to end, the second ends the process.
final class Interrupt: Sendable {
    private struct State {
        var isInterrupted = false
        var action: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())
    /// Held so that they live; not used after `init`, except to cancel them.
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    init() {
        sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: .global())
        }
        for (number, source) in zip([SIGINT, SIGTERM], sources) {
            source.setEventHandler { [weak self] in self?.interrupted(number) }
            source.resume()
        }
    }

    /// Sets the action for the first signal. Until this is called, that ends the process.
    func onInterrupt(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.action = action } }

    func cancel() {
        for source in sources { source.cancel() }
    }

    private func interrupted(_ number: CInt) {
        let action = state.withLock { state -> (@Sendable () -> Void)? in
            defer { state.isInterrupted = true }
            return state.isInterrupted ? nil : state.action
        }
        guard let action else { _exit(128 + number) }
        action()
    }
}
