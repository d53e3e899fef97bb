import KVConfig
import KVCore
import KVStorage
import Logging

/// A node that runs in a process which goes on without it: a test's. It handles no signals, and its end is not the
/// process's.
package final class EmbeddedNode: Sendable {
    private let base: NodeBase
    private let node: Node

    private init(_ base: NodeBase, _ node: Node) {
        self.base = base
        self.node = node
    }

    /// Starts an initial member and returns when it listens.
    /// - Parameter onFailure: called when the node cannot be used any more, with the reason: its store has failed, or
    ///   it was removed from its cluster.
    /// - Throws: `NodeError`
    package static func start(
        _ configuration: Configuration, logger: Logger, onFailure: @escaping @Sendable (String) -> Void
    ) async throws -> EmbeddedNode {
        let base = try NodeBase.open(configuration, logger: logger)
        do {
            guard let topology = base.directory.topology else {
                throw NodeError(.unavailable, "a node that waits to be admitted cannot run within another process")
            }
            let node = try await Node.start(base, topology: topology, onStoreFailure: { onFailure("\($0)") }) {
                onFailure("the node is no longer a member: \($0)")
            }
            return EmbeddedNode(base, node)
        } catch {
            await base.close()
            throw error
        }
    }

    /// Why the node cannot serve; nil while it can.
    package var obstacle: String? { node.obstacle }

    /// Ends requests under way, writes everything down, and closes.
    package func stop() async {
        await node.stop()
        await base.close()
    }
}
