import Glibc
import KVConfig
import Logging
import Synchronization

/// What is logged and how, for all loggers of the process; may change while it runs.
final class LogOutput: Sendable {
    private let options: Mutex<ClusterFile.Log>
    private let writer: LogWriterThread

    init(_ options: ClusterFile.Log, descriptor: CInt = STDERR_FILENO) {
        self.options = Mutex(options)
        writer = LogWriterThread(descriptor: descriptor)
    }

    /// Hands over a line, with its end; never waits.
    func write(_ line: String) { writer.write(line) }

    /// Returns when all lines so far are written, or when that takes too long.
    func flush() { writer.flush() }

    var current: ClusterFile.Log {
        get { options.withLock { $0 } }
        set { options.withLock { $0 = newValue } }
    }

    var logger: Logger { Logger(label: "kv") { _ in LineLogHandler(self) } }
}
