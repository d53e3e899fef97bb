import ArgumentParser
import KVCore

struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Write a key's value to standard output.",
        discussion:
            "The value's bytes and nothing else, but for a newline on a terminal. Exits 1 if there is no such key.")

    @Argument(help: "Any bytes.")
    var key: RawArgument

    @Flag(help: "Take what the nearest replica holds, even if it is not the latest.")
    var stale = false

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let key = Key(key)
        let client = try options.client()
        guard let value = try await client.get(key, consistency: stale ? .stale : .linearizable) else {
            throw Failure(.noSuchKey, "no such key: \(key.quoted)")
        }
        try Output.write(value.bytes + (Output.isTerminal ? [UInt8(ascii: "\n")] : []))
    }
}
