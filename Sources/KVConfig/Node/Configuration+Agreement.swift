import KVCore

extension Configuration {
    /// The name of the cluster that this node belongs to. Nil for a pending node whose configuration does not name it:
    /// such a node accepts the name of the cluster that it finds.
    package var clusterName: String? {
        role == .initial || origins["cluster.name"] != nil ? settings.name : nil
    }

    /// The settings on which the files of all nodes must agree, in canonical order and spelling. Two first members
    /// whose files differ compare these lines one by one, and report the first difference. A pending node has only the
    /// lines that its file sets about the cluster, so they are compared by their paths.
    package var agreement: [(path: String, value: String)] {
        let cluster = [
            ("cluster.name", settings.name),
            ("cluster.partitions", "\(settings.partitions)"),
            ("cluster.replicas", "\(settings.replicas)"),
        ]
        guard role == .initial else {
            return cluster.filter { origins[$0.0] != nil }.map { (path: $0.0, value: $0.1) }
        }
        var lines = cluster + [("nodes", nodes.map(\.id).list)]
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

    /// The id of the cluster: the same on all first members whose files agree, forever. Nil when there is no other node
    /// to agree with: a cluster of one gets a random id at its first start, and keeps it in its data directory; a
    /// pending node learns it from the cluster that admits it.
    package var clusterID: UUID128? {
        guard role == .initial, nodes.count > 1 else { return nil }
        let text = agreement.map { "\($0.path)=\($0.value)\n" }.joined()
        let hash = KeyHash(Key(text))
        return UUID128(high: hash.high, low: hash.low)
    }

    /// The members of epoch 1, numbered from 1 by ascending id. Only for an initial member.
    package func initialMembers() -> [Member] {
        nodes.enumerated().map { index, node in
            Member(
                number: NodeNumber(UInt16(clamping: index + 1)), id: node.id, client: node.reachableClient,
                peer: node.reachablePeer, zone: node.zone, weight: node.weight)
        }
    }
}
