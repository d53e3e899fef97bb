import KVCore
import KVWire

/// Commands on all keys. They begin when everything before them has been answered.
enum KeyspaceCommands {
    static let all: [RESPCommand] = [
        RESPCommand(
            "scan", -2, [.readonly, .alone], .none, .generic, since: "2.8.0", "Gives all keys, a few at a time.", scan),
        RESPCommand(
            "keys", 2, [.readonly, .alone], .none, .generic, since: "1.0.0", "Gives all keys that match a pattern."
        ) { arguments, _ throws(RESPFailure) in .task(.keys(RESPGlob(arguments.array(1)))) },
        RESPCommand(
            "dbsize", 1, [.readonly, .fast, .alone], .none, .server, since: "1.0.0", "Gives the number of keys."
        ) { _, _ throws(RESPFailure) in .task(.count) },
        RESPCommand(
            "randomkey", 1, [.readonly, .alone], .none, .generic, since: "1.0.0", "Gives a key by chance."
        ) { _, _ throws(RESPFailure) in .task(.randomKey) },
        RESPCommand(
            "flushdb", -1, [.write, .alone], .none, .server, since: "1.0.0", "Deletes all keys, one after the other.",
            flush),
        RESPCommand(
            "flushall", -1, [.write, .alone], .none, .server, since: "1.0.0", "Deletes all keys, one after the other.",
            flush),
    ]

    private static func scan(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        guard let cursor = ScanCursor(arguments[1]) else { throw RESPFailure("ERR invalid cursor") }
        var request = ScanRequest(cursor: cursor)
        var index = 2
        while index < arguments.count {
            guard index + 1 < arguments.count else { throw .syntax }
            if arguments.matches(index, "COUNT") {
                let count = try session.integer(arguments, index + 1)
                guard count >= 1 else { throw .syntax }
                request.count = Int(min(count, Int64(ListQuery.maximumLimit)))
            } else if arguments.matches(index, "MATCH") {
                request.pattern = RESPGlob(arguments.array(index + 1))
            } else if arguments.matches(index, "TYPE") {
                request.isOfStrings = arguments.matches(index + 1, "STRING")
            } else {
                throw .syntax
            }
            index += 2
        }
        return .task(.scan(request))
    }

    private static func flush(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        guard arguments.count == 1 || arguments.count == 2 else { throw .syntax }
        if arguments.count == 2, !arguments.matches(1, "ASYNC"), !arguments.matches(1, "SYNC") { throw .syntax }
        return .task(.flush)
    }
}

/// One step of a SCAN.
struct ScanRequest {
    var cursor: ScanCursor
    /// `1 ... ListQuery.maximumLimit`.
    var count = 10
    var pattern: RESPGlob?
    /// Whether strings are of the type that is asked for: there is nothing else.
    var isOfStrings = true
}
