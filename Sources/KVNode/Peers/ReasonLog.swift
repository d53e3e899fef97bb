import Logging
import Synchronization

/// Logs a reason once: a failing operation is retried several times a second by several shards, and mostly fails for
/// the same reason. One log serves a whole node.
package final class ReasonLog: Sendable {
    /// The most reasons that are kept. Beyond it all are forgotten, and may be logged again.
    package static let limit = 256

    private struct Reason: Hashable {
        var subject: String
        var text: String
    }

    private let said = Mutex<Set<Reason>>([])
    private let logger: Logger

    package init(logger: Logger) { self.logger = logger }

    /// Logs `text` unless it has been logged for `subject` since the last `forget` of that.
    /// - Returns: true if it was logged.
    @discardableResult
    package func say(_ text: String, of subject: String, level: Logger.Level = .warning) -> Bool {
        let isNews = said.withLock { said in
            if said.count >= Self.limit { said.removeAll() }
            return said.insert(Reason(subject: subject, text: text)).inserted
        }
        if isNews { logger.log(level: level, "\(text)") }
        return isNews
    }

    /// Forgets what was logged for `subject`, which works again: its next problem is news.
    package func forget(_ subject: String) {
        said.withLock { said in
            guard !said.isEmpty else { return }
            said = said.filter { $0.subject != subject }
        }
    }
}
