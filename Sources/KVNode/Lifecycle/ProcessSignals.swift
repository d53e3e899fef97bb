import Dispatch
import Glibc
import Synchronization

/// SIGTERM and SIGINT: the first asks to stop, the second does not ask. SIGHUP asks to read the configuration again.
final class ProcessSignals: Sendable {
    private let isTold = Mutex(false)
    private let onStop: @Sendable () -> Void
    /// Kept alive; not touched after `init`, but to cancel.
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    init(onStop: @escaping @Sendable () -> Void, onReload: @escaping @Sendable () -> Void) {
        self.onStop = onStop
        let stops = [SIGTERM, SIGINT].map { Self.source($0, .global()) }
        // One reload at a time, and none in the way of SIGTERM.
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
