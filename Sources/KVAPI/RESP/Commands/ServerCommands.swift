import KVCore
import KVWire

/// Commands on the node.
enum ServerCommands {
    static let all: [RESPCommand] = [
        RESPCommand(
            "info", -1, [.loading, .stale], .none, .server, since: "1.0.0", "Tells of the node."
        ) { arguments, session throws(RESPFailure) in
            .answer(.verbatim(InfoText(session).text(sections: (1..<arguments.count).map { arguments.text($0) })))
        },
        RESPCommand("time", 1, .connection, .none, .server, since: "2.6.0", "Gives the node's time.") {
            _, session throws(RESPFailure) in
            let wall = session.wall
            return .answer(.array([.text("\(wall / 1000)"), .text("\(wall % 1000 * 1000)")]))
        },
        RESPCommand(
            "wait", 3, [.noscript, .alone], .none, .generic, since: "3.0.0",
            "Gives the replicas that have the connection's writes.", wait),
    ]

    /// Every write that was acknowledged is on a majority of its replicas, the leader's own copy among them: there is
    /// nothing to wait for, and nobody is asked about the others.
    private static func wait(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        _ = try session.integer(arguments, 1)
        guard let timeout = arguments.integer(2) else {
            throw RESPFailure("ERR timeout is not an integer or out of range")
        }
        guard timeout >= 0 else { throw RESPFailure("ERR timeout is negative") }
        return .task(.cluster(.wait))
    }
}
