import KVCore
import KVWire

/// CLIENT and its subcommands.
enum ClientCommands {
    private static let usual: RESPCommand.Flags = [.noscript, .loading, .stale]
    private static let administration: RESPCommand.Flags = [.admin, .noscript, .loading, .stale]

    static let container = RESPCommand(
        "client", -2, [], .connection, since: "2.4.0", "Contains commands on connections.",
        subcommands: [
            subcommand("id", 2, usual, since: "5.0.0", "Gives the connection's number.") {
                _, session throws(RESPFailure) in .answer(.integer(Int64(clamping: session.client.id)))
            },
            subcommand("info", 2, usual, since: "6.2.0", "Tells of the connection.") {
                _, session throws(RESPFailure) in .answer(.verbatim(lines([session.client], session)))
            },
            subcommand("list", -2, administration, since: "2.4.0", "Tells of the node's connections.", list),
            subcommand("setname", 3, usual, since: "2.6.9", "Names the connection.") {
                arguments, session throws(RESPFailure) in
                session.client.setName(try name(arguments, 2, "Client names"))
                return .answer(.ok)
            },
            subcommand("getname", 2, usual, since: "2.6.9", "Gives the connection's name.") {
                _, session throws(RESPFailure) in
                let name = session.client.name
                return .answer(name.isEmpty ? .null : .text(name))
            },
            subcommand("setinfo", 4, usual, since: "7.2.0", "Says which library the client uses.", setInfo),
            subcommand(
                "no-evict", 3, administration, since: "7.0.0", "Takes ON and OFF: connections are not evicted.", flag),
            subcommand(
                "no-touch", 3, usual, since: "7.2.0", "Takes ON and OFF: the times of reads are not kept.", flag),
        ])

    private static func subcommand(
        _ name: String, _ arity: Int, _ flags: RESPCommand.Flags, since: String, _ summary: String,
        _ run: @escaping RESPCommand.Run
    ) -> RESPCommand {
        RESPCommand(name, arity, flags, .none, .connection, since: since, summary, of: "client", run)
    }

    /// A name that fits the lines of CLIENT LIST.
    static func name(_ arguments: RESPArguments, _ index: Int, _ what: String) throws(RESPFailure) -> String {
        guard arguments[index].allSatisfy({ UInt8(ascii: "!")...UInt8(ascii: "~") ~= $0 }) else {
            throw RESPFailure("ERR \(what) cannot contain spaces, newlines or special characters.")
        }
        guard arguments[index].count <= maximumName else {
            throw RESPFailure("ERR \(what) cannot have more than \(maximumName) bytes.")
        }
        return arguments.text(index)
    }

    /// Bytes.
    private static let maximumName = 1024

    private static func setInfo(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        if arguments.matches(2, "LIB-NAME") {
            session.client.setLibrary(name: try name(arguments, 3, "lib-name"))
        } else if arguments.matches(2, "LIB-VER") {
            session.client.setLibrary(version: try name(arguments, 3, "lib-ver"))
        } else {
            throw RESPFailure("ERR Unrecognized option '\(arguments.text(2))'")
        }
        return .answer(.ok)
    }

    private static func flag(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        guard arguments.matches(2, "ON") || arguments.matches(2, "OFF") else { throw .syntax }
        return .answer(.ok)
    }

    private static func list(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        var clients = session.server.connected
        if arguments.count == 4, arguments.matches(2, "TYPE") {
            // All are normal: there are no others.
            if ["MASTER", "REPLICA", "SLAVE", "PUBSUB"].contains(where: { arguments.matches(3, $0) }) {
                clients = []
            } else if !arguments.matches(3, "NORMAL") {
                throw RESPFailure("ERR Unknown client type '\(arguments.text(3))'")
            }
        } else if arguments.count > 3, arguments.matches(2, "ID") {
            var ids: Set<UInt64> = []
            for index in 3..<arguments.count {
                guard let id = arguments.integer(index), id > 0 else { throw RESPFailure("ERR Invalid client ID") }
                ids.insert(UInt64(id))
            }
            clients = clients.filter { ids.contains($0.id) }
        } else if arguments.count != 2 {
            throw .syntax
        }
        return .answer(.verbatim(lines(clients, session)))
    }

    private static func lines(_ clients: [RESPClient], _ session: RESPSession) -> String {
        let wall = session.wall
        session.client.touch(session.command, at: wall)
        return clients.map { $0.line(wall: wall) + "\n" }.joined()
    }
}
