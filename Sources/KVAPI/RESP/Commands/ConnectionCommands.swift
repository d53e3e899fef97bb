import KVCore
import KVWire

/// Commands on the connection itself.
enum ConnectionCommands {
    /// The version of Redis whose protocol and replies these are.
    static let redisVersion = "7.0.15"

    private static let early: RespCommand.Flags = [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy]

    static let all: [RespCommand] = [
        RespCommand("ping", -1, [.fast], .none, .connection, since: "1.0.0", "Answers.") {
            arguments, _ throws(RespFailure) in
            guard arguments.count <= 2 else { throw .arguments(of: "ping") }
            return .answer(arguments.count == 2 ? .bulk(arguments.array(1)) : .simple("PONG"))
        },
        RespCommand("echo", 2, .connection, .none, .connection, since: "1.0.0", "Answers with its argument.") {
            arguments, _ throws(RespFailure) in .answer(.bulk(arguments.array(1)))
        },
        RespCommand(
            "hello", -1, early.union(.alone), .none, .connection, since: "6.0.0",
            "Chooses the version of the protocol, and tells of the node.", hello),
        RespCommand("auth", -2, early, .none, .connection, since: "1.0.0", "Says who the client is.") {
            arguments, _ throws(RespFailure) in
            guard arguments.count <= 3 else { throw .syntax }
            guard arguments.count == 3 else { throw .noPassword }
            try check(user: 1, arguments)
            return .answer(.ok)
        },
        RespCommand("select", 2, .connection, .none, .connection, since: "1.0.0", "Takes 0: there is one database.") {
            arguments, session throws(RespFailure) in
            guard try session.integer(arguments, 1) == 0 else {
                throw RespFailure("ERR SELECT is not allowed in cluster mode")
            }
            return .answer(.ok)
        },
        RespCommand(
            "reset", 1, early.union(.alone), .none, .connection, since: "6.2.0", "Makes the connection as a new one's."
        ) { _, session throws(RespFailure) in
            session.reset()
            return .answer(.simple("RESET"))
        },
        RespCommand("quit", -1, early.union(.alone), .none, .connection, since: "1.0.0", "Closes the connection.") {
            _, _ throws(RespFailure) in .close(.ok)
        },
        RespCommand(
            "readonly", 1, .connection, .none, .cluster, since: "3.0.0", "Lets reads be answered from any copy."
        ) { _, session throws(RespFailure) in
            session.setReadOnly(true)
            return .answer(.ok)
        },
        RespCommand(
            "readwrite", 1, .connection, .none, .cluster, since: "3.0.0", "Has reads be of the latest value again."
        ) { _, session throws(RespFailure) in
            session.setReadOnly(false)
            return .answer(.ok)
        },
    ]

    /// There is one user, whom every password is right for.
    private static func check(user index: Int, _ arguments: RespArguments) throws(RespFailure) {
        guard arguments[index].elementsEqual("default".utf8) else { throw .wrongPassword }
    }

    private static func hello(
        _ arguments: RespArguments, _ session: inout RespSession
    ) throws(RespFailure) -> RespDecision {
        var version: RespVersion?
        var name: String?
        if arguments.count > 1 {
            guard let number = arguments.integer(1) else {
                throw RespFailure("ERR Protocol version is not an integer or out of range")
            }
            version = Int(exactly: number).flatMap(RespVersion.init)
            guard version != nil else { throw RespFailure("NOPROTO unsupported protocol version") }
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
                throw RespFailure("ERR Syntax error in HELLO option '\(arguments.text(index))'")
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
