import Logging
import Synchronization

/// Says a thing once: what fails is tried again several times a second, by several shards, and mostly fails alike.
/// One serves a whole node.
package final class ReasonLog: Sendable {
    /// Reasons kept; when there are more, all are forgotten, and may be said again.
    package static let limit = 256

    private struct Reason: Hashable {
        var subject: String
        var text: String
    }

    private let said = Mutex<Set<Reason>>([])
    private let logger: Logger

    package init(logger: Logger) { self.logger = logger }

    /// Logs `text` unless it has been said of `subject` since that was last `forget`.
    /// - Returns: whether it was logged.
    @discardableResult
    package func say(_ text: String, of subject: String, level: Logger.Level = .warning) -> Bool {
        let isNews = said.withLock { said in
            if said.count >= Self.limit { said.removeAll() }
            return said.insert(Reason(subject: subject, text: text)).inserted
        }
        if isNews { logger.log(level: level, "\(text)") }
        return isNews
    }

    /// All is well with `subject`: what goes wrong next is news.
    package func forget(_ subject: String) {
        said.withLock { said in
            guard !said.isEmpty else { return }
            said = said.filter { $0.subject != subject }
        }
    }
}
