import KVCore

/// What flags and environment variables say of this process's node: its addresses, zone and weight.
struct NodeDescription {
    private struct Field<Value> {
        var value: Value
        var place: ConfigurationProblem.Place
    }

    private var client: Field<Address>?
    private var peer: Field<Address>?
    private var advertiseClient: Field<Address>?
    private var advertisePeer: Field<Address>?
    private var zone: Field<String>?
    private var weight: Field<Int>?

    init(_ flags: Configuration.Flags, _ overrides: Overrides) throws(ConfigurationError) {
        client = try Self.address(overrides.value(flags.client, "--client", "KV_CLIENT"))
        peer = try Self.address(overrides.value(flags.peer, "--peer", "KV_PEER"))
        advertiseClient = try Self.address(
            overrides.value(flags.advertiseClient, "--advertise-client", "KV_ADVERTISE_CLIENT"))
        advertisePeer = try Self.address(
            overrides.value(flags.advertisePeer, "--advertise-peer", "KV_ADVERTISE_PEER"))
        for advertised in [advertiseClient, advertisePeer] {
            guard let advertised, advertised.value.isWildcard else { continue }
            throw ConfigurationError(
                advertised.place,
                "is \(advertised.value), where others cannot reach it: name one of the node's addresses")
        }
        if let zone = overrides.value(flags.zone, "--zone", "KV_ZONE") {
            guard zone.text.isEmpty || Name.isLabel(zone.text) else {
                throw ConfigurationError(zone.place, "must be \(Name.wantedLabel), not \(quoted(zone.text))")
            }
            self.zone = Field(value: zone.text, place: zone.place)
        }
        if let weight = overrides.value(flags.weight, "--weight", "KV_WEIGHT") {
            guard let number = decimal(weight.text), let value = Int(exactly: number),
                ClusterFile.Node.weights.contains(value)
            else {
                throw ConfigurationError(
                    weight.place, "must be a whole number from 1 to 1000, not \(quoted(weight.text))")
            }
            self.weight = Field(value: value, place: weight.place)
        }
    }

    private static func address(_ value: Overrides.Value?) throws(ConfigurationError) -> Field<Address>? {
        guard let value else { return nil }
        let address = try value.parsed { (text) throws(NotationError) in try Address(notation: text) }
        return Field(value: address, place: value.place)
    }

    func apply(to node: inout ClusterFile.Node) {
        node.client = client?.value ?? node.client
        node.peer = peer?.value ?? node.peer
        node.advertiseClient = advertiseClient?.value ?? node.advertiseClient
        node.advertisePeer = advertisePeer?.value ?? node.advertisePeer
        node.zone = zone?.value ?? node.zone
        node.weight = weight?.value ?? node.weight
    }

    /// Where an address of the node is given, or could be. `name`: `client` or `peer`.
    func place(of name: String) -> ConfigurationProblem.Place {
        name == "client"
            ? advertiseClient?.place ?? client?.place ?? .flag("--client")
            : advertisePeer?.place ?? peer?.place ?? .flag("--peer")
    }

    /// A node has two doors.
    func checkDoors(of node: ClusterFile.Node) throws(ConfigurationError) {
        guard node.client == node.peer || node.reachableClient == node.reachablePeer else { return }
        throw ConfigurationError(
            peer?.place ?? place(of: "client"),
            "the node's client and peer addresses are both \(node.reachablePeer): give them different ports")
    }

    /// Members of a cluster's file are what the file says, on every node alike.
    func checkAgreement(with node: ClusterFile.Node, in path: String) throws(ConfigurationError) {
        try Self.check(client, node.client, "client", node, path)
        try Self.check(peer, node.peer, "peer", node, path)
        try Self.check(advertiseClient, node.reachableClient, "advertise_client", node, path)
        try Self.check(advertisePeer, node.reachablePeer, "advertise_peer", node, path)
        try Self.check(zone, node.zone, "zone", node, path)
        try Self.check(weight, node.weight, "weight", node, path)
    }

    private static func check<Value: Equatable>(
        _ field: Field<Value>?, _ expected: Value, _ name: String, _ node: ClusterFile.Node, _ path: String
    ) throws(ConfigurationError) {
        guard let field, field.value != expected else { return }
        let said = "\(expected)".isEmpty ? "none" : "\(expected)"
        throw ConfigurationError(
            field.place,
            "\(path) lists \(node.id) with \(name) \(said), not \(field.value): leave this out, or change the file on"
                + " every node before the first start")
    }
}
