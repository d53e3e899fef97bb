import ArgumentParser
import FoundationEssentials

/// The argument parser's description of a command: the part that manual pages need.
struct CommandInfo: Decodable {
    struct Argument: Decodable {
        struct Name: Decodable {
            enum Kind: String, Decodable { case long, short, longWithSingleDash }

            var kind: Kind
            var name: String

            var spelled: String { (kind == .long ? "--" : "-") + name }
        }

        enum Kind: String, Decodable { case positional, option, flag }

        var kind: Kind
        var shouldDisplay: Bool
        var isOptional: Bool
        var isRepeating: Bool
        var names: [Name]?
        var valueName: String?
        var defaultValue: String?
        var abstract: String?

        /// The environment variables that the argument's help names.
        var variables: [String] {
            (abstract ?? "").split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init)
                .filter { $0.hasPrefix("KV_") }
        }
    }

    var commandName: String
    var shouldDisplay: Bool
    var abstract: String?
    var discussion: String?
    var subcommands: [CommandInfo]?
    var arguments: [Argument]?

    /// Reads the description of `kv`, with all its commands.
    static func read() throws -> CommandInfo {
        struct Tool: Decodable { var command: CommandInfo }
        return try JSONDecoder().decode(Tool.self, from: Data(KV._dumpHelp().utf8)).command
    }
}
