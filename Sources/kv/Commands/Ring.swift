import ArgumentParser
import KVClient
import KVCore

struct Ring: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ring",
        abstract: "Show the nodes and what they hold, or where keys live.",
        discussion: """
            Without keys: the nodes, as the one that is asked sees them, those that wait to be admitted, and the \
            change of membership under way. With keys, which need not exist: their slot, partition, replica set and \
            leader.
            """)

    @Argument(help: "Any bytes.")
    var keys: [RawArgument] = []

    @Flag(help: "Show it again every second, until interrupted.")
    var watch = false

    @OptionGroup var format: OutputFormat

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let keys = keys.map { Key($0) }
        let client = try options.client()
        guard watch else { return try Output.write(try await picture(keys, client)) }
        let clear = Output.canRedraw && !format.isJSON ? "\u{1B}[H\u{1B}[J" : ""
        while true {
            do {
                try Output.write(clear + (try await picture(keys, client)))
            } catch let error as KVClientError {
                // The node may come back, and someone who watches wants to see that.
                try Output.write(clear)
                Output.complain(Failure(error).message)
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    private func picture(_ keys: [Key], _ client: KVClient) async throws -> String {
        if keys.isEmpty {
            let ring = try await client.ring()
            if format.isJSON { return try JSONOutput.text(ring) }
            let drawing = Output.isTerminal ? RingDrawing(ring, hasColor: Output.hasColor).lines : []
            return (drawing + RingTable.lines(ring, marked: !drawing.isEmpty)).map { $0 + "\n" }.joined()
        }
        var placements: [KeyPlacement] = []
        for key in keys { placements.append(try await client.placement(of: key)) }
        if format.isJSON { return try JSONOutput.text(placements) }
        return RingTable.lines(zip(keys, placements)).map { $0 + "\n" }.joined()
    }
}
