import ArgumentParser
import FoundationEssentials
import KVClient
import KVCore

struct Ring: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ring",
        abstract: "Show the nodes and what they hold, or where keys live.",
        discussion: """
            Without keys: the nodes, as the one that is asked sees them. With keys, which need not exist: their slot, \
            partition, replica set and leader.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json
    }

    @Argument(help: "Any bytes.")
    var keys: [RawArgument] = []

    @Flag(help: "Show it again every second, until interrupted.")
    var watch = false

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("table, or json (for keys, an array).", valueName: "format"))
    var output = Format.table

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let keys = try keys.map { try Key($0) }
        let client = try options.client()
        guard watch else { return try Output.write(try await picture(keys, client)) }
        let clear = Output.canRedraw && output == .table ? "\u{1B}[H\u{1B}[J" : ""
        while true {
            do {
                try Output.write(clear + (try await picture(keys, client)))
            } catch let error as KVClientError {
                // It may come back; who watches wants to see that.
                try Output.write(clear)
                Output.complain(Failure(error).message)
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    private func picture(_ keys: [Key], _ client: KVClient) async throws -> String {
        if keys.isEmpty {
            let ring = try await client.ring()
            if output == .json { return try Self.json(ring) }
            let drawing = Output.isTerminal ? RingDrawing(ring, hasColor: Output.hasColor).lines : []
            return (drawing + RingTable.lines(ring, marked: !drawing.isEmpty)).map { $0 + "\n" }.joined()
        }
        var placements: [KeyPlacement] = []
        for key in keys { placements.append(try await client.placement(of: key)) }
        if output == .json { return try Self.json(placements) }
        return RingTable.lines(zip(keys, placements)).map { $0 + "\n" }.joined()
    }

    private static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    }
}
