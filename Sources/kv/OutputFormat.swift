import ArgumentParser
import FoundationEssentials

/// The option `-o`.
struct OutputFormat: ParsableArguments {
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json
    }

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("table, or json.", valueName: "format"))
    var output = Format.table

    var isJSON: Bool { output == .json }
}

enum JSONOutput {
    /// Returns the JSON of a value on one line.
    static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    }
}
