import Dispatch
import Glibc
import Synchronization

/// SIGINT and SIGTERM: the first asks a command to come to an end, the second does not ask.
final class Interrupt: Sendable {
    private struct State {
        var isInterrupted = false
        var action: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())
    /// Kept alive; not touched after `init`, but to cancel.
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

    /// What the first interrupt does. Until this is called it ends the process.
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
