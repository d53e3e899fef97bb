import Dispatch
import Glibc
import Synchronization

/// Handles SIGTERM and SIGINT: the first signal stops the node, the second ends the process. SIGHUP reloads the
/// configuration.
final class ProcessSignals: Sendable {
    private let isTold = Mutex(false)
    private let onStop: @Sendable () -> Void
    /// The signal sources, which must stay alive. After `init` they are only cancelled.
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    init(onStop: @escaping @Sendable () -> Void, onReload: @escaping @Sendable () -> Void) {
        self.onStop = onStop
        let stops = [SIGTERM, SIGINT].map { Self.source($0, .global()) }
        // A serial queue: one reload at a time, and none that delays SIGTERM.
        let reload = Self.source(SIGHUP, DispatchQueue(label: "kv.reload"))
        sources = stops + [reload]
        for stop in stops { stop.setEventHandler { [weak self] in self?.stopRequested() } }
        reload.setEventHandler { onReload() }
        for source in sources { source.resume() }
    }

    private static func source(_ number: CInt, _ queue: DispatchQueue) -> any DispatchSourceSignal {
        signal(number, SIG_IGN)
        return DispatchSource.makeSignalSource(signal: number, queue: queue)
    }

    func cancel() {
        for source in sources { source.cancel() }
    }

    private func stopRequested() {
        let again = isTold.withLock { isTold in
            defer { isTold = true }
            return isTold
        }
        if again { _exit(128 + SIGTERM) }
        onStop()
    }
}
