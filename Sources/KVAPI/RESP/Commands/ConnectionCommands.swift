import KVCore
import KVWire

/// Commands on the connection itself.
enum ConnectionCommands {
    /// The version of Redis whose protocol and replies these are.
    static let redisVersion = "7.0.15"

    private static let early: RESPCommand.Flags = [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy]

    static let all: [RESPCommand] = [
        RESPCommand("ping", -1, [.fast], .none, .connection, since: "1.0.0", "Answers.") {
            arguments, _ throws(RESPFailure) in
            guard arguments.count <= 2 else { throw .arguments(of: "ping") }
            return .answer(arguments.count == 2 ? .bulk(arguments.array(1)) : .simple("PONG"))
        },
        RESPCommand("echo", 2, .connection, .none, .connection, since: "1.0.0", "Answers with its argument.") {
            arguments, _ throws(RESPFailure) in .answer(.bulk(arguments.array(1)))
        },
        RESPCommand(
            "hello", -1, early.union(.alone), .none, .connection, since: "6.0.0",
            "Chooses the version of the protocol, and tells of the node.", hello),
        RESPCommand("auth", -2, early, .none, .connection, since: "1.0.0", "Says who the client is.") {
            arguments, _ throws(RESPFailure) in
            guard arguments.count <= 3 else { throw .syntax }
            guard arguments.count == 3 else { throw .noPassword }
            try check(user: 1, arguments)
            return .answer(.ok)
        },
        RESPCommand("select", 2, .connection, .none, .connection, since: "1.0.0", "Takes 0: there is one database.") {
            arguments, session throws(RESPFailure) in
            guard try session.integer(arguments, 1) == 0 else {
                throw RESPFailure("ERR SELECT is not allowed in cluster mode")
            }
            return .answer(.ok)
        },
        RESPCommand(
            "reset", 1, early.union(.alone), .none, .connection, since: "6.2.0", "Makes the connection as a new one's."
        ) { _, session throws(RESPFailure) in
            session.reset()
            return .answer(.simple("RESET"))
        },
        RESPCommand("quit", -1, early.union(.alone), .none, .connection, since: "1.0.0", "Closes the connection.") {
            _, _ throws(RESPFailure) in .close(.ok)
        },
        RESPCommand(
            "readonly", 1, .connection, .none, .cluster, since: "3.0.0", "Lets reads be answered from any copy."
        ) { _, session throws(RESPFailure) in
            session.setReadOnly(true)
            return .answer(.ok)
        },
        RESPCommand(
            "readwrite", 1, .connection, .none, .cluster, since: "3.0.0", "Has reads be of the latest value again."
        ) { _, session throws(RESPFailure) in
            session.setReadOnly(false)
            return .answer(.ok)
        },
    ]

    /// There is one user, whom every password is right for.
    private static func check(user index: Int, _ arguments: RESPArguments) throws(RESPFailure) {
        guard arguments[index].elementsEqual("default".utf8) else { throw .wrongPassword }
    }

    private static func hello(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        var version: RESPVersion?
        var name: String?
        if arguments.count > 1 {
            guard let number = arguments.integer(1) else {
                throw RESPFailure("ERR Protocol version is not an integer or out of range")
            }
            version = Int(exactly: number).flatMap(RESPVersion.init)
            guard version != nil else { throw RESPFailure("NOPROTO unsupported protocol version") }
        }
        var index = 2
        while index < arguments.count {
            let rest = arguments.count - index - 1
            if arguments.matches(index, "AUTH"), rest >= 2 {
                try check(user: index + 1, arguments)
                index += 3
            } else if arguments.matches(index, "SETNAME"), rest >= 1 {
                name = try ClientCommands.name(arguments, index + 1, "Client names")
                index += 2
            } else {
                throw RESPFailure("ERR Syntax error in HELLO option '\(arguments.text(index))'")
            }
        }
        if let version { session.setVersion(version) }
        if let name { session.client.setName(name) }
        return .answer(
            .map([
                (.text("server"), .text("redis")), (.text("version"), .text(redisVersion)),
                (.text("proto"), .integer(Int64(session.version.rawValue))),
                (.text("id"), .integer(Int64(clamping: session.client.id))), (.text("mode"), .text("cluster")),
                (.text("role"), .text("master")), (.text("modules"), .array([])),
            ]))
    }
}
