import KVCore
import KVWire

/// Commands on a string that is a number.
enum NumberCommands {
    static let all: [RESPCommand] = [
        RESPCommand(
            "incr", 2, [.write, .denyoom, .fast], .one, .string, since: "1.0.0", "Adds one to an integer."
        ) { arguments, session throws(RESPFailure) in try add(1, arguments, session) },
        RESPCommand(
            "decr", 2, [.write, .denyoom, .fast], .one, .string, since: "1.0.0", "Takes one from an integer."
        ) { arguments, session throws(RESPFailure) in try add(-1, arguments, session) },
        RESPCommand(
            "incrby", 3, [.write, .denyoom, .fast], .one, .string, since: "1.0.0", "Adds to an integer."
        ) { arguments, session throws(RESPFailure) in
            try add(try session.integer(arguments, 2), arguments, session)
        },
        RESPCommand(
            "decrby", 3, [.write, .denyoom, .fast], .one, .string, since: "1.0.0", "Takes from an integer."
        ) { arguments, session throws(RESPFailure) in
            let count = try session.integer(arguments, 2)
            // Its opposite does not exist.
            guard count != .min else { throw .decrementOverflow }
            return try add(-count, arguments, session)
        },
        RESPCommand(
            "incrbyfloat", 3, [.write, .denyoom, .fast], .one, .string, since: "2.6.0", "Adds to a number."
        ) { arguments, session throws(RESPFailure) in
            guard arguments[2].count <= maximumNumber else { throw .notANumber }
            return .key(try session.key(arguments, 1), session.update(.addNumber(arguments.array(2))), .result)
        },
    ]

    /// Bytes of a number that Redis reads.
    private static let maximumNumber = 5 * 1024

    private static func add(
        _ count: Int64, _ arguments: RESPArguments, _ session: RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        .key(try session.key(arguments, 1), session.update(.add(count)), .result)
    }
}
