import Dispatch
import Glibc
import Synchronization

/// SIGTERM and SIGINT: the first asks to stop, the second does not ask. SIGHUP asks to read the configuration again.
final class ProcessSignals: Sendable {
    private let isTold = Mutex(false)
    private let onStop: @Sendable () -> Void
    private let onReload: @Sendable () -> Void
    /// Kept alive; not touched after `init`, but to cancel.
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    init(onStop: @escaping @Sendable () -> Void, onReload: @escaping @Sendable () -> Void) {
        self.onStop = onStop
        self.onReload = onReload
        // One reload at a time, and none in the way of SIGTERM.
        let reloads = DispatchQueue(label: "kv.reload")
        sources = [SIGTERM, SIGINT, SIGHUP].map { number in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: number == SIGHUP ? reloads : .global())
        }
        for (source, number) in zip(sources, [SIGTERM, SIGINT, SIGHUP]) {
            source.setEventHandler { [weak self] in
                if number == SIGHUP { self?.onReload() } else { self?.told() }
            }
            source.resume()
        }
    }

    func cancel() {
        for source in sources { source.cancel() }
    }

    private func told() {
        let again = isTold.withLock { isTold in
            defer { isTold = true }
            return isTold
        }
        if again { _exit(128 + SIGTERM) }
        onStop()
    }
}
