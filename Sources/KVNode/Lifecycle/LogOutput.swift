import Glibc
import KVConfig
import Logging
import Synchronization

/// The level, format and destination of the log, for all loggers of the process. Level and format may change while it
/// runs.
final class LogOutput: Sendable {
    private let options: Mutex<ClusterFile.Log>
    private let writer: LogWriterThread

    init(_ options: ClusterFile.Log, descriptor: CInt = STDERR_FILENO) {
        self.options = Mutex(options)
        writer = LogWriterThread(descriptor: descriptor)
    }

    /// Queues a line, with its line break; never waits.
    func write(_ line: String) { writer.write(line) }

    /// Returns when all lines so far are written, or after `LogWriterThread.patience`.
    func flush() { writer.flush() }

    var current: ClusterFile.Log {
        get { options.withLock { $0 } }
        set { options.withLock { $0 = newValue } }
    }

    var logger: Logger { Logger(label: "kv") { _ in LineLogHandler(self) } }
}
