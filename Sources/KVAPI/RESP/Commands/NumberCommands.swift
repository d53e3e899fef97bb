import KVCore
import KVWire

/// Commands on a string that is a number.
enum NumberCommands {
    static let all: [RespCommand] = [
        RespCommand(
            "incr", 2, [.write, .denyoom, .fast], .one, .string, since: "1.0.0", "Adds one to an integer."
        ) { arguments, session throws(RespFailure) in try add(1, arguments, session) },
        RespCommand(
            "decr", 2, [.write, .denyoom, .fast], .one, .string, since: "1.0.0", "Takes one from an integer."
        ) { arguments, session throws(RespFailure) in try add(-1, arguments, session) },
        RespCommand(
            "incrby", 3, [.write, .denyoom, .fast], .one, .string, since: "1.0.0", "Adds to an integer."
        ) { arguments, session throws(RespFailure) in
            try add(try session.integer(arguments, 2), arguments, session)
        },
        RespCommand(
            "decrby", 3, [.write, .denyoom, .fast], .one, .string, since: "1.0.0", "Takes from an integer."
        ) { arguments, session throws(RespFailure) in
            let count = try session.integer(arguments, 2)
            // Its opposite does not exist.
            guard count != .min else { throw .decrementOverflow }
            return try add(-count, arguments, session)
        },
        RespCommand(
            "incrbyfloat", 3, [.write, .denyoom, .fast], .one, .string, since: "2.6.0", "Adds to a number."
        ) { arguments, session throws(RespFailure) in
            guard arguments[2].count <= maximumNumber else { throw .notANumber }
            return .key(try session.key(arguments, 1), session.update(.addNumber(arguments.array(2))), .result)
        },
    ]

    /// Bytes of a number that Redis reads.
    private static let maximumNumber = 5 * 1024

    private static func add(
        _ count: Int64, _ arguments: RespArguments, _ session: RespSession
    ) throws(RespFailure) -> RespDecision {
        .key(try session.key(arguments, 1), session.update(.add(count)), .result)
    }
}
