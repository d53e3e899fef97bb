import KVCore

/// A present value, and its origin.
package struct SettingValue: Hashable, Sendable {
    /// `storage.sync`, `nodes[n1].zone`, `node`.
    package var path: String
    /// The value as it is written; never a secret.
    package var value: String
    /// Nil for the default.
    package var origin: ConfigurationProblem.Place?

    /// `default`, `cluster.yaml:3`, `KV_NODE` or `--node`.
    package var source: String {
        switch origin {
        case .position(let file, let line, _): "\(file):\(line)"
        case .file(let name), .environment(let name), .flag(let name): name
        case nil: "default"
        }
    }
}

extension ClusterFile {
    /// Every setting with its value.
    func values(
        node: Node, nodes: [Node], origins: [String: ConfigurationProblem.Place]
    ) -> [SettingValue] {
        func value(_ path: String, _ text: String, isSecret: Bool = false) -> SettingValue {
            let isShown = !isSecret || text == "null"
            return SettingValue(path: path, value: isShown ? text : "(not shown)", origin: origins[path])
        }
        var values = [value("node", node.id)]
        for section in Settings.sections {
            if section.name == "nodes" {
                for node in nodes.contains(where: { $0.id == node.id }) ? nodes : nodes + [node] {
                    values += Settings.nodeFields.map { field in
                        value("nodes[\(node.id)].\(field.setting.name)", field.notation(node))
                    }
                }
                continue
            }
            if section.name.isEmpty {
                values.append(value("seeds", "[\(seeds.map { "\($0)" }.list)]"))
            }
            values += Settings.fields(of: section.name).map { field in
                value(field.setting.path ?? "", field.notation(self), isSecret: field.setting.isSecret)
            }
        }
        return values
    }
}
