import KVConfig

/// A manual page in the macros of man(7), made from the definition of a command.
struct ManualPage {
    private let root: CommandInfo
    private let version: String
    private var lines: [String] = []

    /// Returns every page, with the name of its file and its text.
    static func all(_ root: CommandInfo, version: String) -> [(name: String, text: String)] {
        let commands = displayed(root.subcommands)
        return [("kv.1", ManualPage(root, version).main(commands))]
            + commands.map { ("kv-\($0.commandName).1", ManualPage(root, version).page(of: $0, commands)) }
    }

    private init(_ root: CommandInfo, _ version: String) {
        self.root = root
        self.version = version
    }

    private static func displayed(_ commands: [CommandInfo]?) -> [CommandInfo] {
        (commands ?? []).filter { $0.shouldDisplay && $0.commandName != "help" }
    }

    private consuming func main(_ commands: [CommandInfo]) -> String {
        begin("kv", root)
        lines += [".B kv", ".I command", "[\\fIoptions\\fR]", ".br", ".B kv \\-\\-version"]
        section("DESCRIPTION")
        lines += [
            roff(
                """
                kv keeps keys and values on several nodes: each key is a linearizable register, replicated on as many \
                nodes as the cluster says. One program runs a node, changes the cluster, and is its client.
                """)
        ]
        section("COMMANDS")
        for command in commands {
            lines += [".TP", ".BR kv\\-\(roff(command.commandName)) (1)", roff(command.abstract ?? "")]
        }
        environment(commands.flatMap { ($0.arguments ?? []) })
        exitStatus(ExitStatus.allCases)
        files()
        examples("kv")
        seeAlso(commands.map { "kv-\($0.commandName)(1)" } + ["cluster.yaml(5)"])
        return text
    }

    private consuming func page(of command: CommandInfo, _ commands: [CommandInfo]) -> String {
        let nested = Self.displayed(command.subcommands)
        begin("kv-\(command.commandName)", command)
        if nested.isEmpty {
            synopsis("kv \(command.commandName)", command)
        } else {
            for one in nested { synopsis("kv \(command.commandName) \(one.commandName)", one) }
        }
        section("DESCRIPTION")
        lines += [roff(command.abstract ?? "")]
        discussion(command)
        for one in nested {
            lines += [".SS kv \(roff(command.commandName)) \(roff(one.commandName))", roff(one.abstract ?? "")]
            discussion(one)
            options(one)
        }
        if nested.isEmpty {
            section("OPTIONS")
            options(command)
        }
        environment((command.arguments ?? []) + nested.flatMap { $0.arguments ?? [] })
        exitStatus(Self.statuses(of: command.commandName))
        if command.commandName == "serve" {
            lines += [
                ".TP", ".B 1",
                "The store failed while the node ran; the message says why. (65 where its data is damaged.)",
            ]
            files()
        }
        examples(command.commandName)
        seeAlso(
            ["kv(1)"] + commands.filter { $0.commandName != command.commandName }.map { "kv-\($0.commandName)(1)" }
                + ["cluster.yaml(5)"])
        return text
    }

    private var text: String { lines.joined(separator: "\n") + "\n" }

    // MARK: Sections

    private mutating func begin(_ name: String, _ command: CommandInfo) {
        let abstract = command.abstract ?? ""
        let summary = abstract.prefix(1).lowercased() + abstract.dropFirst()
        lines += [
            ".TH \(name.uppercased()) 1 \"\" \"\(roff("kv \(version)"))\" \"User Commands\"", ".SH NAME",
            "\(roff(name)) \\- \(roff(summary.hasSuffix(".") ? String(summary.dropLast()) : summary))", ".SH SYNOPSIS",
        ]
    }

    private mutating func synopsis(_ name: String, _ command: CommandInfo) {
        var line = "\\fB\(roff(name))\\fR [\\fIoptions\\fR]"
        for argument in arguments(command) where argument.kind == .positional {
            let value = "\\fI\(roff((argument.valueName ?? "").uppercased()))\\fR" + (argument.isRepeating ? "..." : "")
            line += argument.isOptional ? " [\(value)]" : " \(value)"
        }
        lines += [line, ".br"]
    }

    private mutating func section(_ name: String) { lines.append(".SH \(name)") }

    private mutating func discussion(_ command: CommandInfo) {
        for paragraph in (command.discussion ?? "").split(separator: "\n\n") {
            lines.append(".PP")
            for (index, line) in paragraph.split(separator: "\n").enumerated() {
                if index > 0 { lines.append(".br") }
                lines.append(roff(String(line)))
            }
        }
    }

    private mutating func options(_ command: CommandInfo) {
        for argument in arguments(command) {
            let value = argument.valueName ?? ""
            let label =
                argument.kind == .positional
                ? "\\fI\(roff(value.uppercased()))\\fR"
                : (argument.names ?? []).map { "\\fB\(roff($0.spelled))\\fR" }.joined(separator: ", ")
                    + (argument.kind == .option ? " \\fI\(roff(value))\\fR" : "")
            var about = argument.abstract ?? ""
            if let standard = argument.defaultValue, argument.kind == .option, !about.contains("default") {
                about += " (default: \(standard))"
            }
            lines += [".TP", label, roff(about)]
        }
    }

    private mutating func environment(_ arguments: [CommandInfo.Argument]) {
        var found: [String: String] = [:]
        for argument in arguments {
            for variable in argument.variables {
                found[variable] = argument.names?.last?.spelled ?? argument.valueName ?? ""
            }
        }
        guard !found.isEmpty else { return }
        section("ENVIRONMENT")
        for (variable, flag) in found.sorted(by: { $0.key < $1.key }) {
            lines += [".TP", ".B \(roff(variable))", "The same as \(roff(flag)), which goes before it."]
        }
    }

    /// The exit statuses that a command can have.
    private static func statuses(of command: String) -> [ExitStatus] {
        switch command {
        case "serve", "recover": [.done, .usage, .data, .unavailable]
        case "config", "completion": [.done, .usage, .data]
        case "get", "del": [.done, .noSuchKey, .conditionFailed, .usage, .data, .unavailable, .unknown, .denied]
        case "ring", "bench": [.done, .usage, .data, .unavailable]
        default: [.done, .conditionFailed, .usage, .data, .unavailable, .unknown, .denied]
        }
    }

    private mutating func exitStatus(_ statuses: [ExitStatus]) {
        section("EXIT STATUS")
        for status in statuses { lines += [".TP", ".B \(status.rawValue)", roff(status.meaning)] }
    }

    private mutating func files() {
        section("FILES")
        for (file, meaning) in [
            ("/etc/kv/cluster.yaml", "The configuration of the package's service; see cluster.yaml(5)."),
            ("/etc/default/kv", "Environment variables of that service."),
            ("/var/lib/kv", "Its data: a directory for each node, named after it."),
        ] {
            lines += [".TP", ".I \(roff(file))", roff(meaning)]
        }
    }

    private mutating func examples(_ name: String) {
        guard let examples = CommandExamples.all[name] else { return }
        section("EXAMPLES")
        for example in examples { lines += [".TP", ".B \(roff(example.command))", roff(example.meaning)] }
    }

    private mutating func seeAlso(_ pages: [String]) {
        section("SEE ALSO")
        for (index, page) in pages.enumerated() {
            let parts = page.split(separator: "(", maxSplits: 1)
            lines.append(".BR \(roff(String(parts[0]))) (\(parts[1])\(index == pages.count - 1 ? "" : ",")")
        }
    }

    private func arguments(_ command: CommandInfo) -> [CommandInfo.Argument] {
        (command.arguments ?? []).filter { $0.shouldDisplay }
    }

    private func roff(_ text: String) -> String { Roff.text(text) }
}
