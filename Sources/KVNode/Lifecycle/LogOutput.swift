import KVConfig
import Logging
import Synchronization

/// What is logged and how, for all loggers of the process; may change while it runs.
final class LogOutput: Sendable {
    private let options: Mutex<ClusterFile.Log>

    init(_ options: ClusterFile.Log) { self.options = Mutex(options) }

    var current: ClusterFile.Log {
        get { options.withLock { $0 } }
        set { options.withLock { $0 = newValue } }
    }

    var logger: Logger { Logger(label: "kv") { _ in LineLogHandler(self) } }
}
