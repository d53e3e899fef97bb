import ArgumentParser
import Glibc
import KVClient
import KVConfig
import KVCore

@main
enum Main {
    static func main() async {
        // A reader that went away is met as an error of the write.
        signal(SIGPIPE, SIG_IGN)
        let arguments = RawArgument.commandLine()
        do {
            try checkCommand(arguments)
            let command = try KV.parseAsRoot(arguments)
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

    /// A first word that is no command would be met by the parser's complaint about a stray argument.
    private static func checkCommand(_ arguments: [String]) throws {
        guard let word = arguments.first(where: { $0 != "help" }), !word.hasPrefix("-"), !KV.names.contains(word) else {
            return
        }
        throw Failure(.usage, "unknown command '\(word)'; there are \(KV.names.joined(separator: ", "))")
    }

    /// Says what went wrong, on a line that starts with `kv: `, and exits.
    private static func leave(_ error: any Error, _ arguments: [String]) -> Never {
        switch error {
        case let failure as Failure: failure.exit()
        case let error as KVClientError: Failure(error).exit()
        case let error as ConfigurationError:
            error.problems.forEach { Output.complain("\($0)") }
            Glibc.exit(error.isUsage ? ExitStatus.usage.rawValue : ExitStatus.data.rawValue)
        case is BrokenOutput: Glibc.exit(0)
        default:
            // Help that was asked for is an error too, of the kind that succeeds.
            if KV.exitCode(for: error) == .success { KV.exit(withError: error) }
            let message = KV.message(for: error).trimmingSuffix(".")
            let command = arguments.first.flatMap { KV.names.contains($0) ? " \($0)" : nil } ?? ""
            Failure(.usage, "\(message); 'kv\(command) --help' says what there is").exit()
        }
    }
}

struct KV: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kv",
        abstract: "A distributed key-value store.",
        version: "kv \(Release.version)",
        subcommands: [Serve.self, Join.self, Leave.self, Get.self, Put.self, Del.self, Ring.self, Bench.self])

    static var names: [String] { configuration.subcommands.compactMap { $0.configuration.commandName } }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
