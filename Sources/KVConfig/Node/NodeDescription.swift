import KVCore

/// What flags and environment variables say of this process's node: its addresses, zone and weight.
struct NodeDescription {
    private typealias Field = SettingField<ClusterFile.Node>

    /// What is said, and where; the values are in `node`.
    private var given: [(field: Field, place: ConfigurationProblem.Place)] = []
    private var node = ClusterFile.standard.nodes[0]

    init(_ flags: Configuration.Flags, _ overrides: Overrides) throws(ConfigurationError) {
        for field in Settings.nodeFields {
            guard let value = overrides.value(field.given(flags), field.setting) else { continue }
            try value.assign(field, &node)
            given.append((field, value.place))
        }
        for (name, address) in [
            ("advertise_client", node.advertiseClient), ("advertise_peer", node.advertisePeer),
        ] {
            guard let address, address.isWildcard, let place = said(name) else { continue }
            throw ConfigurationError(
                place, "is \(address), where others cannot reach it: name one of the node's addresses")
        }
    }

    func apply(to other: inout ClusterFile.Node) {
        for (field, _) in given { field.copy(node, &other) }
    }

    /// Where each of what is given is said, by the path of the node that it is said of.
    func origins(of node: ClusterFile.Node) -> [String: ConfigurationProblem.Place] {
        var origins: [String: ConfigurationProblem.Place] = [:]
        for (field, place) in given { origins["nodes[\(node.id)].\(field.setting.name)"] = place }
        return origins
    }

    private func said(_ name: String) -> ConfigurationProblem.Place? {
        given.first { $0.field.setting.name == name }?.place
    }

    /// Where an address of the node is given, or could be. `name`: `client` or `peer`.
    func place(of name: String) -> ConfigurationProblem.Place {
        said("advertise_\(name)") ?? said(name) ?? .flag("--\(name)")
    }

    /// A node has two doors.
    func checkDoors(of node: ClusterFile.Node) throws(ConfigurationError) {
        guard node.client == node.peer || node.reachableClient == node.reachablePeer else { return }
        throw ConfigurationError(
            said("peer") ?? place(of: "client"),
            "the node's client and peer addresses are both \(node.reachablePeer): give them different ports")
    }

    /// Members of a cluster's file are what the file says, on every node alike.
    func checkAgreement(with node: ClusterFile.Node, in path: String) throws(ConfigurationError) {
        // What is advertised by default is where the node listens.
        var listed = node
        listed.advertiseClient = node.reachableClient
        listed.advertisePeer = node.reachablePeer
        var described = listed
        apply(to: &described)
        for (field, place) in given {
            let (said, expected) = (field.notation(described), field.notation(listed))
            guard said != expected else { continue }
            throw ConfigurationError(
                place,
                "\(path) lists \(node.id) with \(field.setting.name) \(expected == "null" ? "none" : expected), not"
                    + " \(said): leave this out, or change the file on every node before the first start")
        }
    }
}
