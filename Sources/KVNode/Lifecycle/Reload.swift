import KVConfig
import Logging
import Synchronization

/// Reads the configuration again while the node runs, applies what can change at once, and logs what counts from the
/// next start. A configuration with a mistake changes nothing.
final class Reload: Sendable {
    private let inForce: Mutex<ExplainedConfiguration>
    private let node = Mutex<Node?>(nil)
    private let output: LogOutput
    private let logger: Logger
    private let manager: ServiceManager?
    private let reread: @Sendable () throws(ConfigurationError) -> ExplainedConfiguration

    init(
        _ explained: ExplainedConfiguration, output: LogOutput, logger: Logger, manager: ServiceManager?,
        reread: @escaping @Sendable () throws(ConfigurationError) -> ExplainedConfiguration
    ) {
        inForce = Mutex(explained)
        self.output = output
        self.logger = logger
        self.manager = manager
        self.reread = reread
    }

    /// Has a node that has just started go by what has been reloaded since the process began, and by what will be.
    func follow(_ node: Node) {
        self.node.withLock {
            $0 = node
            node.setReads(inForce.withLock { $0.configuration.reads })
        }
    }

    /// The node has stopped.
    func release() { node.withLock { $0 = nil } }

    @Sendable func run() {
        manager?.reloading()
        let outcome = apply()
        manager?.ready(outcome)
    }

    /// Reloads the configuration and returns the result, for the service manager.
    private func apply() -> String {
        let next: ExplainedConfiguration
        do throws(ConfigurationError) {
            next = try reread()
        } catch {
            for problem in error.problems { logger.error("the configuration was not reloaded: \(problem)") }
            return "the configuration was not reloaded: it has mistakes, which the log names"
        }
        let differences = inForce.withLock { inForce in
            let differences = inForce.differences(in: next)
            // The other values stay as the process uses them, so that a later reload compares with them.
            inForce.apply(differences.filter { $0.change == .reload }, of: next)
            return differences
        }
        output.current = next.configuration.log
        // In the order in which they were reloaded: what is in force now, whoever comes first.
        node.withLock { $0?.setReads(inForce.withLock { $0.configuration.reads }) }
        for difference in differences {
            let text = "\(difference.path): \(difference.old) is now \(difference.new)"
            switch difference.change {
            case .reload: logger.notice("reloaded: \(text)")
            case .start: logger.warning("reloaded: \(text), which counts from the next start")
            case .creation:
                logger.warning("reloaded: \(text), which changes nothing: it is fixed since the cluster was created")
            case .directory:
                logger.warning(
                    "reloaded: \(text), which changes nothing: it is fixed since the data directory was made")
            }
        }
        if differences.isEmpty { logger.notice("reloaded: the configuration is the same as before") }
        return "the configuration was reloaded"
    }
}

extension ExplainedConfiguration {
    /// Takes the values that count at once from `next`.
    fileprivate mutating func apply(_ differences: [Difference], of next: ExplainedConfiguration) {
        configuration.log = next.configuration.log
        configuration.reads = next.configuration.reads
        for difference in differences {
            guard let index = values.firstIndex(where: { $0.path == difference.path }) else { continue }
            values[index].value = difference.new
        }
    }
}
