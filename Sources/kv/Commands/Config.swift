import ArgumentParser
import KVConfig
import KVCore

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Check, show and explain the configuration of a node.",
        subcommands: [Check.self, Show.self, ReferenceCommand.self])

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Say what is wrong with a cluster.yaml, and where.",
            discussion: """
                Reads the file as 'kv serve' would, without starting anything, and says in a line what it describes. \
                Exits 65 with a line for each mistake: the file's name, line and column, what is wrong and what was \
                meant.
                """)

        @Argument(help: "A cluster.yaml.", completion: .file(extensions: ["yaml", "yml"]))
        var file: String

        @Option(help: ArgumentHelp("Also check that this node can run with it.", valueName: "id"))
        var node: String?

        func run() throws {
            let (settings, ids) = try read()
            let nodes = "\(ids.count) \(ids.count == 1 ? "node" : "nodes") (\(ids.joined(separator: ", ")))"
            try Output.write(
                """
                \(file): valid: the cluster "\(settings.name)" of \(nodes), \(settings.partitions) partitions \
                of \(settings.replicas) replicas

                """)
        }

        /// Reads the file only once, as it may be a pipe.
        private func read() throws -> (ClusterSettings, nodes: [String]) {
            guard let node else {
                let cluster = try ClusterFile.read(path: file)
                return (cluster.settings, cluster.nodes.map(\.id))
            }
            let flags = Configuration.Flags(config: file, node: node)
            let configuration = try Configuration.load(flags: flags, environment: [:])
            return (configuration.settings, configuration.nodes.map(\.id))
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show every value in force and where it comes from.",
            discussion: """
                Takes the flags and variables of 'kv serve', and shows what it would run with here. Secrets are not \
                shown. Starts nothing.
                """)

        @OptionGroup var options: ServeOptions

        @OptionGroup var format: OutputFormat

        func run() throws {
            let values = try options.explained().values
            if format.isJSON {
                try Output.write(
                    try JSONOutput.text(values.map { Row(key: $0.path, value: $0.value, from: $0.source) }))
                return
            }
            var table = TextTable([("KEY", .left), ("VALUE", .left), ("FROM", .left)])
            for value in values { table.add([value.path, value.value, value.source]) }
            try Output.write(table.lines.map { $0 + "\n" }.joined())
        }

        private struct Row: Encodable {
            var key: String
            var value: String
            var from: String
        }
    }

    struct ReferenceCommand: ParsableCommand {
        enum Format: String, ExpressibleByArgument, CaseIterable {
            case text, yaml, example, markdown, man
        }

        static let configuration = CommandConfiguration(
            commandName: "reference",
            abstract: "Write the manual of all settings.",
            discussion: """
                text is for reading; yaml is a cluster.yaml to begin with, in which every key is explained; example is \
                one of three nodes that sets every key; markdown and man are the same manual as pages.
                """)

        @Option(help: "text, yaml, example, markdown or man.")
        var format = Format.text

        @Option(help: ArgumentHelp("With yaml: the data_dir to write.", valueName: "directory"))
        var dataDir: String?

        func validate() throws {
            if dataDir != nil && format != .yaml { throw ValidationError("--data-dir goes with --format yaml") }
        }

        func run() throws {
            switch format {
            case .text: try Output.write(Reference.text(width: Output.columns ?? 80))
            case .yaml: try Output.write(Reference.template(dataDirectory: dataDir))
            case .example: try Output.write(Reference.example())
            case .markdown: try Output.write(Reference.markdown())
            case .man: try Output.write(Reference.manual(version: Release.version))
            }
        }
    }
}
