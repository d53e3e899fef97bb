import KVCore

extension Reference {
    /// A `cluster.yaml` with an explanation of every key: a cluster of one, valid as it is. Keys in comments have their
    /// defaults.
    /// - Parameter dataDirectory: set in the file, instead of the default.
    package static func template(dataDirectory: String? = nil) -> String {
        let width = 100
        var text = Paragraph.filled(
            """
            The configuration of a kv node: a cluster of one on this machine, to begin with. Every key is here; those \
            that are commented out show their defaults. cluster.yaml(5) says more, and so does 'kv config reference'. \
            A change counts from the node's next start, where nothing else is said; check it first with 'kv config \
            check FILE'.
            """, width: width, prefix: "# ")
        var written = ["cluster.name": "default", "nodes[].id": "n1"]
        if let dataDirectory { written["data_dir"] = dataDirectory }
        for section in Settings.sections {
            text += "\n" + Paragraph.filled(section.summary, width: width, prefix: "# ")
            let settings = Settings.file(section.name)
            let isWritten = settings.contains { written[$0.path ?? ""] != nil }
            if !section.name.isEmpty { text += (isWritten ? "" : "#") + "\(section.name):\n" }
            for setting in settings {
                let isItem = section.name == "nodes"
                let isFirst = setting.path == settings.first?.path
                let indent = section.name.isEmpty ? "" : isItem ? "    " : "  "
                let hash = isWritten || section.name.isEmpty ? "\(indent)# " : "#\(indent)# "
                let facts = setting.values + (setting.change == .start ? "" : "; \(meaning(setting.change))")
                if section.name.isEmpty { text += "\n" }
                text += Paragraph.filled("\(setting.summary) (\(facts))", width: width, prefix: hash)
                let line = "\(setting.name): \(yaml(written[setting.path ?? ""] ?? setting.standard ?? ""))"
                switch (written[setting.path ?? ""] != nil, isItem && isFirst) {
                case (true, true): text += "  - \(line)\n"
                case (true, false): text += "\(indent)\(line)\n"
                case (false, _):
                    text += isWritten && !section.name.isEmpty ? "\(indent)#\(line)\n" : "#\(indent)\(line)\n"
                }
            }
        }
        return text
    }

    /// A `cluster.yaml` of three nodes that sets every key.
    package static func example() -> String {
        var text = ""
        for section in Settings.sections {
            if section.name == "nodes" {
                text += exampleNodes
                continue
            }
            if !section.name.isEmpty { text += "\(section.name):\n" }
            for setting in Settings.file(section.name) {
                let value = setting.standard.flatMap { $0 == "null" ? nil : $0 } ?? setting.example ?? ""
                text += "\(section.name.isEmpty ? "" : "  ")\(setting.name): \(value)\n"
            }
        }
        return text
    }

    private static var exampleNodes: String {
        var text = "nodes:\n"
        for (index, zone) in ["a", "b", "c"].enumerated() {
            let number = index + 1
            for setting in Settings.file("nodes") {
                let value =
                    switch setting.name {
                    case "id": "n\(number)"
                    case "client": "10.0.0.\(number):7400"
                    case "peer": "10.0.0.\(number):7500"
                    case "zone": zone
                    case "weight": "1"
                    default: setting.example?.replacing("n1", with: "n\(number)") ?? ""
                    }
                text += "\(setting.name == "id" ? "  - " : "    ")\(setting.name): \(value)\n"
            }
        }
        return text
    }
}
