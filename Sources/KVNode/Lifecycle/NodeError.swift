import KVCore
import KVStorage

/// Why a node did not start or had to stop, for the person who runs it.
package struct NodeError: Error, CustomStringConvertible {
    package enum Kind: Sendable {
        /// The configuration or the data directory does not fit: starting again does not help.
        case badData
        /// The machine refused something: a port, a directory, a disk.
        case unavailable
    }

    package let kind: Kind
    /// Says what happened, to what, and what to do next; one line.
    package let description: String

    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    init(_ error: StoreError) {
        switch error {
        case .io(let failure) where failure.isOutOfSpace: self.init(.unavailable, "\(error)")
        case .locked, .notWritable: self.init(.unavailable, "\(error)")
        case .io, .damaged, .incomplete, .outdated, .foreign, .newerFormat, .olderFormat, .tooLarge:
            self.init(.badData, "\(error)")
        }
    }

    /// The error of a node that was removed from its cluster while it was away, or that was evicted as dead.
    static func removed(_ node: String, _ topology: Topology, directory: String) -> Self {
        removed(node, from: topology.settings.name, directory: directory)
    }

    static func removed(_ node: String, from cluster: String, directory: String) -> Self {
        Self(
            .badData,
            """
            \(node) was removed from the cluster \(cluster), which does without its data; delete \(directory), and to \
            have \(node) back as a new member start it with --seed and run `kv join \(node)`
            """)
    }
}
