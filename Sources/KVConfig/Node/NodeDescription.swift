import KVCore

/// The description of this process's node by flags and environment variables: its addresses, zone and weight.
struct NodeDescription {
    private typealias Field = SettingField<ClusterFile.Node>

    /// The fields that are given, with their places. The values are in `node`.
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

    /// The places of the given fields, by their paths in the node.
    func origins(of node: ClusterFile.Node) -> [String: ConfigurationProblem.Place] {
        var origins: [String: ConfigurationProblem.Place] = [:]
        for (field, place) in given { origins["nodes[\(node.id)].\(field.setting.name)"] = place }
        return origins
    }

    private func said(_ name: String) -> ConfigurationProblem.Place? {
        given.first { $0.field.setting.name == name }?.place
    }

    /// The place of an address of the node, or the flag that would give it. `name`: `client` or `peer`.
    func place(of name: String) -> ConfigurationProblem.Place {
        said("advertise_\(name)") ?? said(name) ?? .flag("--\(name)")
    }

    /// Checks that the node's two listeners have different addresses.
    func checkDoors(of node: ClusterFile.Node) throws(ConfigurationError) {
        guard node.client == node.peer || node.reachableClient == node.reachablePeer else { return }
        throw ConfigurationError(
            said("peer") ?? place(of: "client"),
            "the node's client and peer addresses are both \(node.reachablePeer): give them different ports")
    }

    /// Checks that flags and variables agree with the file: on every node, members are as the file describes them.
    func checkAgreement(with node: ClusterFile.Node, in path: String) throws(ConfigurationError) {
        // The advertised addresses default to those on which the node listens.
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
