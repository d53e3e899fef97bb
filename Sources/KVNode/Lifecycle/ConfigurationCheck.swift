import KVConfig
import KVCore

/// Checks that a configuration fits a data directory that an earlier start has left.
struct ConfigurationCheck {
    private let configuration: Configuration
    private let path: String

    init(_ configuration: Configuration, _ path: String) {
        self.configuration = configuration
        self.path = path
    }

    /// - Parameter agreement: the configuration's agreement when the directory was made; nil when its node was admitted
    ///   to an existing cluster.
    func check(_ topology: Topology, madeWith agreement: String?) throws(NodeError) {
        if topology.epoch == 1, configuration.role == .initial, let agreement {
            try checkFirst(agreement)
        } else {
            try checkSettings(of: topology)
        }
    }

    /// Checks a first member's configuration. Until the first change of the topology, membership is what the file said
    /// when the directory was made.
    private func checkFirst(_ agreement: String) throws(NodeError) {
        let before = agreement.split(separator: "\n").map(String.init)
        let now = Self.text(configuration.agreement).split(separator: "\n").map(String.init)
        guard before != now else { return }
        let same = zip(before, now).prefix { $0 == $1 }.count
        let then = before.indices.contains(same) ? before[same] : "nothing"
        let found = now.indices.contains(same) ? now[same] : "nothing"
        throw NodeError(
            .badData,
            """
            \(path) was made with a configuration that said `\(then)`, where it now says `\(found)`; put that back, or \
            use an empty data directory for a new cluster (nodes are added with kv join, not by editing the file)
            """)
    }

    /// Checks the settings that make the cluster. After the first change, the members are those of the topology,
    /// whatever the file says.
    private func checkSettings(of topology: Topology) throws(NodeError) {
        let lines = Dictionary(uniqueKeysWithValues: topology.settings.agreement.map { ($0.path, $0.value) })
        for line in configuration.agreement {
            guard let known = lines[line.path], known != line.value else { continue }
            throw NodeError(
                .badData,
                """
                \(path) is of a cluster with `\(line.path): \(known)`, where the configuration says \
                `\(line.path): \(line.value)`; put that back, or use an empty data directory
                """)
        }
    }

    /// Checks that the node is where others look for it. The only member of a cluster may move: it tells itself.
    func check(_ member: Member, in topology: Topology) throws(NodeError) {
        guard topology.members.count > 1 else { return }
        let node = configuration.node
        for (listener, known, found) in [
            ("client", member.client, node.reachableClient), ("peer", member.peer, node.reachablePeer),
        ] where known != found {
            throw NodeError(
                .badData,
                """
                the cluster \(topology.settings.name) looks for \(node.id) at the \(listener) address \(known), and this \
                configuration says \(found); put that back, or empty \(path), start it as a new node and let it take the \
                place of the old one with `kv join NEW --replace \(node.id)`
                """)
        }
    }

    static func text(_ agreement: [(path: String, value: String)]) -> String {
        agreement.map { "\($0.path): \($0.value)\n" }.joined()
    }
}

extension ClusterSettings {
    /// The settings, in the form of `Configuration.agreement`.
    var agreement: [(path: String, value: String)] {
        [("cluster.name", name), ("cluster.partitions", "\(partitions)"), ("cluster.replicas", "\(replicas)")]
    }
}
