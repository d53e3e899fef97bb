import KVCore

/// Decides which node this process is, and how it gets to its cluster.
struct NodeChoice {
    struct Identity {
        var nodes: [ClusterFile.Node]
        var node: ClusterFile.Node
        var role: Configuration.Role
        var seeds: [Address]
        /// The places of flags and variables that describe the node, by path.
        var origins: [String: ConfigurationProblem.Place]
    }

    private let file: ClusterFile
    private let path: String
    private let overrides: Overrides
    private let requested: Overrides.Value?
    /// The seeds of flags or the environment.
    private let seeds: [Overrides.Value]
    /// The flag or variable by which the node admits itself.
    private let join: ConfigurationProblem.Place?
    private let description: NodeDescription

    init(
        _ file: ClusterFile, named path: String?, _ flags: Configuration.Flags, _ overrides: Overrides
    ) throws(ConfigurationError) {
        self.file = file
        self.path = path ?? "the file"
        self.overrides = overrides
        requested = overrides.value(flags.node, Settings.node)
        seeds = overrides.values(flags.seeds, Settings.seeds)
        join = try overrides.yes(flags.join, Settings.join)
        description = try NodeDescription(flags, overrides)
    }

    func resolve() throws(ConfigurationError) -> Identity {
        if let listed = try listed() { return try member(listed) }
        var node = try unlisted()
        description.apply(to: &node)
        guard !file.nodesAreDefault || !seeds.isEmpty || join != nil || !file.seeds.isEmpty else {
            return try alone(node)
        }
        try checkPendingNode(node)
        return try pendingNode(node)
    }

    /// The node of the file that this process is; nil if it is none of them.
    private func listed() throws(ConfigurationError) -> ClusterFile.Node? {
        guard !file.nodesAreDefault else { return nil }
        if let requested { return file.nodes.first { $0.id == requested.text } }
        guard file.nodes.count == 1 else {
            throw ConfigurationError(
                .flag("--node"),
                "is missing: \(path) lists \(file.nodes.map(\.id).list); say which of them this process is")
        }
        return file.nodes[0]
    }

    private func member(_ node: ClusterFile.Node) throws(ConfigurationError) -> Identity {
        try description.checkAgreement(with: node, in: path)
        // A listed node with a seed comes back, with an empty disk, to a cluster that runs without it.
        guard seeds.isEmpty, join == nil else { return try pendingNode(node) }
        return Identity(nodes: file.nodes, node: node, role: .initial, seeds: [], origins: origins(of: node))
    }

    private func unlisted() throws(ConfigurationError) -> ClusterFile.Node {
        guard let requested else {
            guard seeds.isEmpty, join == nil, file.seeds.isEmpty else {
                throw ConfigurationError(
                    .flag("--node"), "is missing: a node that is to join a cluster needs a name of its own")
            }
            return file.nodes[0]
        }
        guard Name.isID(requested.text) else {
            throw ConfigurationError(requested.place, "\(quoted(requested.text)) is not \(Name.wantedID)")
        }
        var node = ClusterFile.standard.nodes[0]
        node.id = requested.text
        return node
    }

    private func alone(_ node: ClusterFile.Node) throws(ConfigurationError) -> Identity {
        try description.checkDoors(of: node)
        return Identity(nodes: [node], node: node, role: .initial, seeds: [], origins: origins(of: node))
    }

    // MARK: Pending nodes

    private func pendingNode(_ node: ClusterFile.Node) throws(ConfigurationError) -> Identity {
        let members = file.nodesAreDefault ? [] : file.nodes
        var found: [Address] = []
        for seed in seeds {
            let address = try seed.parsed(ValueFormat.address)
            guard !address.isWildcard else {
                throw ConfigurationError(
                    seed.place, "\(address) cannot be reached by that name: name one of the member's addresses")
            }
            found.append(address)
        }
        if found.isEmpty { found = file.seeds + members.map(\.reachablePeer) }
        var known: Set<Address> = [node.reachablePeer]
        found = found.filter { known.insert($0).inserted }
        guard !found.isEmpty else {
            let place = join ?? seeds.first?.place ?? .flag("--seed")
            throw ConfigurationError(
                place, "there is nobody to join: give the peer address of a member with --seed HOST:PORT")
        }
        guard found.count <= ClusterFile.maximumSeeds else {
            throw ConfigurationError(
                seeds.first?.place ?? .flag("--seed"), "at most \(ClusterFile.maximumSeeds) seeds, not \(found.count)")
        }
        return Identity(
            nodes: members, node: node, role: .pendingNode(admitsItself: join != nil), seeds: found,
            origins: origins(of: node))
    }

    private func origins(of node: ClusterFile.Node) -> [String: ConfigurationProblem.Place] {
        var origins = description.origins(of: node)
        if let requested { origins["node"] = requested.place }
        if let seed = seeds.first { origins["seeds"] = seed.place }
        return origins
    }

    /// Checks that others can reach the node, and that its addresses are not another node's.
    private func checkPendingNode(_ node: ClusterFile.Node) throws(ConfigurationError) {
        try description.checkDoors(of: node)
        for (listener, address) in [("client", node.reachableClient), ("peer", node.reachablePeer)]
        where address.isWildcard {
            throw ConfigurationError(
                description.place(of: listener),
                "is \(address), where others cannot reach it: set --advertise-\(listener) as well")
        }
        for other in file.nodesAreDefault ? [] : file.nodes {
            for (listener, address) in [("client", node.reachableClient), ("peer", node.reachablePeer)]
            where address == other.reachableClient || address == other.reachablePeer {
                throw ConfigurationError(
                    description.place(of: listener),
                    "is \(address), which is \(other.id)'s in \(path): give this node another")
            }
        }
    }
}
