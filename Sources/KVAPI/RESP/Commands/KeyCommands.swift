import KVCore
import KVWire

/// Commands on keys, whatever they hold.
enum KeyCommands {
    static let all: [RESPCommand] = [
        RESPCommand(
            "del", -2, [.write], .all, .generic, since: "1.0.0", "Deletes keys, each by itself.", delete),
        RESPCommand(
            "unlink", -2, [.write, .fast], .all, .generic, since: "4.0.0", "Deletes keys, each by itself.", delete),
        RESPCommand(
            "exists", -2, [.readonly, .fast], .all, .generic, since: "1.0.0", "Counts the keys that are there.", exists),
        RESPCommand(
            "touch", -2, [.readonly, .fast], .all, .generic, since: "3.2.1", "Counts the keys that are there.", exists),
        RESPCommand(
            "type", 2, [.readonly, .fast], .one, .generic, since: "1.0.0", "Gives the type of a key's value."
        ) { arguments, session throws(RESPFailure) in .key(try session.key(arguments, 1), .get, .type) },
        RESPCommand(
            "object", -2, [], .generic, since: "2.2.3", "Contains what looks into a value.",
            subcommands: [
                RESPCommand(
                    "encoding", 3, [.readonly], .second, .generic, since: "2.2.3",
                    "Gives how Redis would keep a value.", of: "object"
                ) { arguments, session throws(RESPFailure) in .key(try session.key(arguments, 2), .get, .encoding) }
            ]),
    ]

    private static func delete(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        if arguments.count == 2 { return .key(try session.key(arguments, 1), .delete(.always), .changed) }
        return .keys(try each(arguments, session, .delete(.always), .changed, .total))
    }

    private static func exists(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        if arguments.count == 2 { return .key(try session.key(arguments, 1), .get, .presence) }
        return .keys(try each(arguments, session, .get, .presence, .total))
    }

    /// Carries out the same command on every key that is an argument.
    static func each(
        _ arguments: RESPArguments, _ session: RESPSession, _ command: Command, _ expectation: RESPExpectation,
        _ sum: RESPGathering.Sum
    ) throws(RESPFailure) -> RESPGathering {
        var parts: [(key: Key, command: Command)] = []
        parts.reserveCapacity(arguments.count - 1)
        for index in 1..<arguments.count { parts.append((try session.key(arguments, index), command)) }
        return RESPGathering(parts, expectation, sum, limit: session.gatheringLimit)
    }
}
