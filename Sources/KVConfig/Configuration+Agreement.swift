import KVCore

extension Configuration {
    /// What the files of all nodes must agree on, in canonical order and spelling. Two nodes whose files differ compare
    /// these line by line, and name the first that does.
    public var agreement: [(path: String, value: String)] {
        var lines = [
            ("cluster.name", settings.name),
            ("cluster.partitions", "\(settings.partitions)"),
            ("cluster.replicas", "\(settings.replicas)"),
            ("nodes", nodes.map(\.id).list),
        ]
        for node in nodes {
            let path = "nodes[\(node.id)]"
            lines += [
                ("\(path).client", "\(node.client)"),
                ("\(path).peer", "\(node.peer)"),
                ("\(path).advertise_client", node.advertiseClient.map { "\($0)" } ?? "null"),
                ("\(path).advertise_peer", node.advertisePeer.map { "\($0)" } ?? "null"),
                ("\(path).zone", node.zone),
                ("\(path).weight", "\(node.weight)"),
            ]
        }
        return lines.map { (path: $0.0, value: $0.1) }
    }

    /// Names the cluster: the same on all nodes whose files agree, and forever.
    public var clusterID: UUID128 {
        let text = agreement.map { "\($0.path)=\($0.value)\n" }.joined()
        let hash = KeyHash(Key(text))
        return UUID128(high: hash.high, low: hash.low)
    }

    /// The members of epoch 1: numbered from 1 by ascending id.
    public func initialMembers() -> [Member] {
        nodes.enumerated().map { index, node in
            Member(
                number: NodeNumber(UInt16(clamping: index + 1)), id: node.id, client: node.reachableClient,
                peer: node.reachablePeer, zone: node.zone, weight: node.weight)
        }
    }
}
