import KVCore

extension ClusterFile {
    /// The ids and addresses that the list of nodes has used so far, with their lines.
    private struct Taken {
        var ids: [String: Int] = [:]
        var addresses: [Address: (owner: String, line: Int)] = [:]
    }

    mutating func readNodes(_ top: FieldReader.Section, _ reader: inout FieldReader) {
        guard let items = reader.list(top, "nodes") else { return }
        guard (1...Self.maximumNodes).contains(items.count) else {
            reader.report(
                top.mark(of: "nodes"), "nodes must list 1 to \(Self.maximumNodes) nodes, not \(items.count)")
            return
        }
        nodesAreDefault = false
        nodes = []
        origins["nodes"] = reader.place(of: top.mark(of: "nodes"))
        var taken = Taken()
        for (index, item) in items.enumerated() {
            if item.isNull || !item.isMapping {
                reader.report(item.mark, "nodes[\(index)] must be a mapping such as {id: n1}, not \(item.shown)")
                continue
            }
            let section = reader.section(item, path: "nodes[\(index)]", kind: "nodes")
            let node = node(section, &reader)
            Self.checkAddresses(of: node, section, among: items.count, &taken, &reader)
            if let line = taken.ids.updateValue(section.mark(of: "id").line, forKey: node.id), !node.id.isEmpty {
                reader.report(
                    section.mark(of: "id"), "duplicate node id \(quoted(node.id)): it is already on line \(line + 1)")
            }
            nodes.append(node)
        }
        nodes.sort { $0.id < $1.id }
    }

    /// Reads one item of the list.
    private mutating func node(_ section: FieldReader.Section, _ reader: inout FieldReader) -> Node {
        var node = Node(id: "")
        let found = reader.read(Settings.nodeFields, section, into: &node)
        if section.values["id"] == nil {
            reader.report(section.mark, "\(section.path).id is missing: name the node, with \(Name.wantedID)")
        }
        // The list is sorted afterwards, so from here on the paths have the node's id.
        for (path, place) in found {
            origins["nodes[\(node.id)]" + path.dropFirst(section.path.count)] = place
        }
        return node
    }

    /// Checks that each listener of the cluster has an address, and that no two have the same.
    private static func checkAddresses(
        of node: Node, _ section: FieldReader.Section, among count: Int, _ taken: inout Taken,
        _ reader: inout FieldReader
    ) {
        if node.client == node.peer {
            reader.report(
                section.mark(of: "peer"),
                "\(section.path).peer is \(node.peer), like its client address: give them different ports")
            return
        }
        for (field, advertise, listen) in [
            ("client", node.advertiseClient, node.client), ("peer", node.advertisePeer, node.peer),
        ] {
            let given = advertise == nil ? field : "advertise_\(field)"
            let mark = section.mark(of: given)
            let address = advertise ?? listen
            if address.isWildcard && (advertise != nil || count > 1) {
                let next = advertise == nil ? "set advertise_\(field) as well" : "name one of its addresses"
                reader.report(
                    mark, "\(section.path).\(given) is \(address), where others cannot reach it: \(next)")
            }
            if let other = taken.addresses[address] {
                reader.report(
                    mark,
                    "\(section.path).\(given) is \(address), which \(other.owner) has on line \(other.line + 1):"
                        + " each needs its own")
            } else {
                taken.addresses[address] = ("\(section.path).\(given)", mark.line)
            }
        }
    }
}

extension YAMLNode {
    fileprivate var isMapping: Bool { if case .mapping = content { true } else { false } }
}
