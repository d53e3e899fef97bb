import ArgumentParser
import CProcess
import Glibc
import KVClient
import KVConfig
import KVCore

@main
enum Main {
    static func main() async {
        kv_process_started()
        // If the reader of the output has gone, the write fails, and that is handled.
        signal(SIGPIPE, SIG_IGN)
        let arguments = RawArgument.commandLine()
        do {
            try checkCommand(arguments)
            try checkNested(arguments)
            let command = try parse(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                var command = command
                try command.run()
            }
        } catch {
            leave(error, arguments)
        }
    }

    private static func parse(_ arguments: [String]) throws -> any ParsableCommand {
        do {
            return try KV.parseAsRoot(arguments)
        } catch {
            // The parser throws help that was asked for, too.
            guard KV.exitCode(for: error) != .success,
                let advice = CommandSuggestion.advice(forOptionsOf: arguments)
            else { throw error }
            throw Failure(.usage, advice)
        }
    }

    /// Reports a first word that is not a command. The parser would complain about an unexpected argument.
    private static func checkCommand(_ arguments: [String]) throws {
        guard let word = arguments.first(where: { $0 != "help" }), !word.hasPrefix("-"), !KV.allNames.contains(word)
        else {
            return
        }
        if let advice = CommandSuggestion.advice(for: word, among: KV.names) {
            throw Failure(.usage, "unknown command '\(word)': \(advice)")
        }
        throw Failure(.usage, "unknown command '\(word)'; there are \(KV.names.joined(separator: ", "))")
    }

    /// Reports the same of the second word, for a command that has commands of its own.
    private static func checkNested(_ arguments: [String]) throws {
        guard arguments.count > 1, let (word, nested) = KV.nested(arguments[0]).map({ (arguments[1], $0) }),
            !word.hasPrefix("-"), word != "help", !nested.contains(word)
        else { return }
        let advice = nearest(to: word, in: nested).map { "did you mean 'kv \(arguments[0]) \($0)'?" }
        throw Failure(
            .usage,
            "unknown command 'kv \(arguments[0]) \(word)'"
                + (advice.map { ": \($0)" } ?? "; there are \(nested.joined(separator: ", "))")
        )
    }

    /// Writes what went wrong on a line that starts with `kv: `, and exits.
    private static func leave(_ error: any Error, _ arguments: [String]) -> Never {
        switch error {
        case let failure as Failure: failure.exit()
        case let error as KVError: Failure(error).exit()
        case let error as ConfigurationError:
            error.problems.forEach { Output.complain("\($0)") }
            Glibc.exit(error.isUsage ? ExitStatus.usage.rawValue : ExitStatus.data.rawValue)
        case is BrokenOutput: Glibc.exit(0)
        default:
            // The parser throws help that was asked for, too, with the exit code of success.
            if KV.exitCode(for: error) == .success { KV.exit(withError: error) }
            let message = KV.message(for: error).trimmingSuffix(".")
            let hint = "'\(KV.path(of: arguments)) --help' says what there is"
            Failure(.usage, message.hasSuffix("?") ? "\(message) (\(hint))" : "\(message); \(hint)").exit()
        }
    }
}

struct KV: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kv",
        abstract: "A distributed key-value store.",
        version: "kv \(Release.description)",
        subcommands: [
            Serve.self, Join.self, Leave.self, Recover.self, Get.self, Put.self, Del.self, Ring.self, Bench.self,
            Config.self,
            Completion.self, Manual.self,
        ])

    /// The commands of a command; nil if it has none, or if there is no such command.
    static func nested(_ name: String) -> [String]? {
        let command = configuration.subcommands.first { $0.configuration.commandName == name }
        let names = command?.configuration.subcommands.compactMap { $0.configuration.commandName } ?? []
        return names.isEmpty ? nil : names
    }

    /// The command with which the arguments begin, as help lists it: `kv`, `kv get` or `kv config check`.
    static func path(of arguments: [String]) -> String {
        guard let name = arguments.first, names.contains(name) else { return "kv" }
        guard arguments.count > 1, let commands = nested(name), commands.contains(arguments[1]) else {
            return "kv \(name)"
        }
        return "kv \(name) \(arguments[1])"
    }

    static var allNames: [String] { configuration.subcommands.compactMap { $0.configuration.commandName } }

    /// The names of the commands that help lists.
    static var names: [String] {
        configuration.subcommands.filter { $0.configuration.shouldDisplay }.compactMap { $0.configuration.commandName }
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
