import KVCore

extension Reference {
    /// The text of docs/configuration.md.
    package static func markdown() -> String {
        let width = 120
        func paragraph(_ text: String) -> String { "\n" + Paragraph.filled(text, width: width) }
        var text = "# Configuration\n"
        text +=
            "\n<!-- Written by `kv config reference --format markdown`: change Sources/KVConfig/Settings instead. -->\n"
        text += paragraph(
            """
            One file, `cluster.yaml`, serves the whole cluster: it goes to every node, and `--node` says which one a \
            process is. Every value has a default but the cluster's name and the nodes' ids. Without a file, `kv \
            serve` is a cluster of one on 127.0.0.1:7400.
            """)
        text += "\n## A full example\n"
        text += paragraph("Three nodes, every key set. Where a key has a default, the example has it.")
        text += "\n```yaml\n\(example())```\n"
        text += "\n## How values are found\n"
        text += paragraph(precedence)
        text += paragraph(code(strictness))
        text += "\n| written | meaning |\n|---|---|\n"
        for (term, meaning) in notation { text += "| \(term) | \(meaning) |\n" }
        text += "\n| command | does |\n|---|---|\n"
        text += "| `kv config check FILE` | says what is wrong with a file, and where |\n"
        text += "| `kv config show` | every value in force and where it comes from; takes the flags of `kv serve` |\n"
        text += "| `kv config reference` | this manual; `--format yaml` is a file to begin with |\n"
        text += paragraph(
            """
            A running node reads its file again on SIGHUP (`systemctl reload kv`). What can change at once does; the \
            log names what has to wait for the next start. A file with a mistake changes nothing.
            """)
        for section in Settings.sections {
            text += "\n## \(section.name.isEmpty ? "Top level" : "`\(section.name)`")\n"
            text += paragraph(code(section.summary))
            text += table(Settings.file(section.name)) { $0.path ?? "" }
        }
        text += "\n## By flag and variable only\n"
        text += table(Settings.processOnly) { $0.flag ?? "" }
        return text
    }

    /// Formats quoted commands and values as code.
    private static func code(_ text: String) -> String {
        text.replacing(/'(kv [A-Za-z ]+|no|1:30|0x10)'/) { "`\($0.output.1)`" }
    }

    private static func table(_ settings: [Setting], _ name: (Setting) -> String) -> String {
        var text = "\n| name | meaning | values | default | variable, flag | a change |\n|---|---|---|---|---|---|\n"
        for setting in settings {
            let names = [setting.variable, setting.flag].compactMap { $0 }.map { "`\($0)`" }.list
            let standard = setting.standard.map { $0.contains(" ") && $0.first != "[" ? $0 : "`\($0)`" }
            let cells = [
                "`\(name(setting))`", code(setting.summary), setting.values, standard ?? "none: it must be given",
                names.isEmpty ? "-" : names, meaning(setting.change),
            ]
            text +=
                "| " + cells.map { $0.replacing("|", with: "\\|").replacing("\n", with: " ") }.joined(separator: " | ")
            text += " |\n"
        }
        return text
    }
}
