import KVCore

extension Reference {
    /// `cluster.yaml(5)`, in the macros of man(7).
    /// - Parameter version: this program's, for the page's foot.
    package static func manual(version: String) -> String {
        var page = [
            ".TH CLUSTER.YAML 5 \"\" \"\(Roff.text("kv \(version)"))\" \"Files of kv\"", ".SH NAME",
            "cluster.yaml \\- configuration of a kv cluster", ".SH SYNOPSIS", ".I /etc/kv/cluster.yaml",
            ".SH DESCRIPTION",
            Roff.text(
                """
                One file serves the whole cluster: it goes to every node, and --node or KV_NODE says which one a \
                process is. Every value has a default but the cluster's name and the nodes' ids.
                """), ".PP", Roff.text(precedence), ".PP", Roff.text(strictness), ".SS Notation",
        ]
        for (term, meaning) in notation { page += [".TP", ".B \(Roff.text(term))", Roff.text(meaning)] }
        page.append(".SH SETTINGS")
        for section in Settings.sections {
            page += [".SS \(section.name.isEmpty ? "Top level" : section.name)", Roff.text(section.summary)]
            for setting in Settings.file(section.name) { page += entry(setting, setting.path ?? "") }
        }
        page.append(".SS By flag and variable only")
        for setting in Settings.processOnly { page += entry(setting, setting.flag ?? "") }
        page += [".SH EXAMPLE", ".nf"] + example().split(separator: "\n").map { Roff.text(String($0)) } + [".fi"]
        page += [
            ".SH FILES", ".TP", ".I /etc/kv/cluster.yaml", "the file that the service of the package reads", ".TP",
            ".I /etc/default/kv", "environment variables of that service, KV_NODE among them",
            ".SH SEE ALSO", ".BR kv (1),", ".BR kv-serve (1),", ".BR kv-config (1)",
        ]
        return page.joined(separator: "\n") + "\n"
    }

    private static func entry(_ setting: Setting, _ name: String) -> [String] {
        [".TP", ".B \(Roff.text(name))", Roff.text(setting.summary), ".br", Roff.text(facts(setting)) + "."]
    }
}

/// The language of manual pages.
package enum Roff {
    /// Escapes plain text for a page.
    package static func text(_ text: String) -> String {
        var text = text.replacing("\\", with: "\\e").replacing("-", with: "\\-").replacing("\n", with: " ")
        text = text.replacing("'", with: "\\(aq")
        return text.hasPrefix(".") ? "\\&" + text : text
    }
}
