import KVCore

extension Configuration {
    /// The name of the cluster that this node is to belong to. Nil where nothing says it and others have it: an
    /// pending node that is told only where its cluster is takes the name that it finds there.
    package var clusterName: String? {
        role == .initial || origins["cluster.name"] != nil ? settings.name : nil
    }

    /// What the files of all nodes must agree on, in canonical order and spelling. Two first members whose files differ
    /// compare these line by line, and name the first that does. A pending node has an opinion only of what its file
    /// says of the cluster itself, so only the lines that it has are to be compared, by their paths.
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

    /// Names the cluster: the same on all of several first members whose files agree, and forever. Nil where there is
    /// nobody to agree with: a cluster of one is named at random at its first start, and keeps the name in its data
    /// directory; a pending node learns it from the cluster that admits it.
    package var clusterID: UUID128? {
        guard role == .initial, nodes.count > 1 else { return nil }
        let text = agreement.map { "\($0.path)=\($0.value)\n" }.joined()
        let hash = KeyHash(Key(text))
        return UUID128(high: hash.high, low: hash.low)
    }

    /// The members of epoch 1: numbered from 1 by ascending id. For an initial member.
    package func initialMembers() -> [Member] {
        nodes.enumerated().map { index, node in
            Member(
                number: NodeNumber(UInt16(clamping: index + 1)), id: node.id, client: node.reachableClient,
                peer: node.reachablePeer, zone: node.zone, weight: node.weight)
        }
    }
}
