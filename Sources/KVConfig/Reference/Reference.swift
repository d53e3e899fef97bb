import KVCore

/// The manual of all settings, in several formats. Its contents come from `Settings`.
package enum Reference {
    /// The notation of values, for every format.
    static let notation: [(term: String, meaning: String)] = [
        ("size", "bytes: 4096 or 4096B, 4KiB, 1MiB, 1GiB, 1TiB"),
        ("time", "a number and a unit: 100ms, 5s, 10m, 1h, 7d"),
        ("HOST:PORT", "a name, an IPv4 address or a bracketed IPv6 address, such as [::1]:7400"),
        ("null", "the same as leaving the key out"),
    ]

    static let precedence = """
        A value comes from its flag, else from its environment variable (empty is unset), else from the file, else it \
        is the default.
        """

    static let strictness = """
        The file is YAML, one document of at most 1 MiB in UTF-8, without anchors, aliases and tags. An unknown or \
        duplicate key, or a value that is not of its type, is refused with file, line and column, and what was meant. \
        'no', '1:30' and '0x10' are text.
        """

    static func meaning(_ change: Setting.Change) -> String {
        switch change {
        case .creation: "fixed when the cluster is created"
        case .directory: "fixed when the node's data directory is made"
        case .start: "counts from the node's next start"
        case .reload: "counts from the next start, or at once on SIGHUP"
        }
    }

    /// `HOST:PORT; default 127.0.0.1:7400; KV_CLIENT, --client; fixed when the cluster is created`
    static func facts(_ setting: Setting) -> String {
        var facts = [setting.values]
        facts.append(setting.standard.map { "default \($0)" } ?? "must be given")
        let names = [setting.variable, setting.flag].compactMap { $0 }
        if !names.isEmpty { facts.append(names.list) }
        facts.append(meaning(setting.change))
        return facts.joined(separator: "; ")
    }

    /// The value as it is written in the file.
    static func yaml(_ value: String) -> String {
        value.hasPrefix("[") && value.contains("]:") && !value.contains(",") ? "\"\(value)\"" : value
    }

    // MARK: For a terminal

    /// - Parameter width: the columns of a line.
    package static func text(width: Int = 80) -> String {
        var text = Paragraph.filled("cluster.yaml: the settings of a kv node.", width: width)
        text += "\n" + Paragraph.filled(precedence, width: width)
        text += "\n" + Paragraph.filled(strictness, width: width)
        text += "\n"
        for (term, meaning) in notation { text += Paragraph.filled("\(term): \(meaning)", width: width, indent: 2) }
        for section in Settings.sections {
            text += "\n" + (section.name.isEmpty ? "At the top level" : "\(section.name):") + "\n"
            text += Paragraph.filled(section.summary, width: width, indent: 2)
            for setting in Settings.file(section.name) { text += entry(setting, setting.path ?? "", width: width) }
        }
        text += "\nBy flag and variable only\n"
        for setting in Settings.processOnly { text += entry(setting, setting.flag ?? "", width: width) }
        return text
    }

    private static func entry(_ setting: Setting, _ name: String, width: Int) -> String {
        "\n  \(name)\n" + Paragraph.filled(setting.summary, width: width, indent: 6)
            + Paragraph.filled("(\(facts(setting)))", width: width, indent: 6)
    }
}

enum Paragraph {
    /// Fills lines of at most `width` columns with the words of `text`, each after `prefix` or as many spaces.
    static func filled(_ text: String, width: Int, indent: Int = 0, prefix: String? = nil) -> String {
        let prefix = prefix ?? String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = ""
        for word in text.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
            if !line.isEmpty, prefix.count + line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        if !line.isEmpty { lines.append(line) }
        return lines.map { prefix + $0 + "\n" }.joined()
    }
}
