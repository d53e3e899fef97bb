import KVCore
import KVWire

/// COMMAND and its subcommands: what the commands are.
enum CommandCommands {
    private static let usual: RESPCommand.Flags = [.loading, .stale]

    static let container = RESPCommand(
        "command", -1, usual, .server, since: "2.8.13", "Tells of all commands.",
        subcommands: [
            subcommand("count", 2, since: "2.8.13", "Gives the number of commands.") {
                _, _ throws(RESPFailure) in .answer(.integer(Int64(offered.count)))
            },
            subcommand("info", -2, since: "2.8.13", "Tells of commands by name.") {
                arguments, _ throws(RESPFailure) in
                guard arguments.count > 2 else { return .answer(.array(offered.map(\.information))) }
                return .answer(
                    .array((2..<arguments.count).map { named(arguments, $0)?.information ?? .null }))
            },
            subcommand("docs", -2, since: "7.0.0", "Says what commands do.") { arguments, _ throws(RESPFailure) in
                guard arguments.count > 2 else { return .answer(.map(offered.map(\.documented))) }
                return .answer(.map((2..<arguments.count).compactMap { named(arguments, $0)?.documented }))
            },
            subcommand("getkeys", -4, since: "2.8.13", "Gives the keys of a command.", keys),
        ],
        alone: { _, _ throws(RESPFailure) in .answer(.array(offered.map(\.information))) })

    private static var offered: [RESPCommand] { RESPCommandTable.standard.commands.filter(\.isOffered) }

    private static func subcommand(
        _ name: String, _ arity: Int, since: String, _ summary: String, _ run: @escaping RESPCommand.Run
    ) -> RESPCommand {
        RESPCommand(name, arity, usual, .none, .server, since: since, summary, of: "command", run)
    }

    /// A command, or `container|subcommand`.
    private static func named(_ arguments: RESPArguments, _ index: Int) -> RESPCommand? {
        let name = arguments[index]
        let parts = name.split(separator: UInt8(ascii: "|"), maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first,
            let command = RESPCommandTable.standard.find(UnsafeRawBufferPointer(rebasing: first)), command.isOffered
        else { return nil }
        guard parts.count == 2 else { return command }
        let wanted = parts[1].map(lowercased)
        return command.subcommands.first { $0.name.utf8.elementsEqual(wanted) }
    }

    private static func keys(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        let count = arguments.count - 2
        let found = RESPCommandTable.standard.find(arguments[2])
        let subcommand = found?.subcommands.first { subcommand in
            arguments[3].map(lowercased).elementsEqual(subcommand.name.utf8)
        }
        guard let found, found.isOffered, let command = found.subcommands.isEmpty ? found : subcommand else {
            throw RESPFailure("ERR Invalid command specified")
        }
        guard command.keys.step > 0 else { throw RESPFailure("ERR The command has no key arguments") }
        guard command.takes(count) else { throw RESPFailure("ERR Invalid number of arguments specified for command") }
        let last = command.keys.last < 0 ? count + command.keys.last : command.keys.last
        return .answer(
            .array(
                stride(from: command.keys.first, through: last, by: command.keys.step).map {
                    .bulk(arguments.array($0 + 2))
                }))
    }
}

// MARK: - What is told of a command

extension RESPCommand {
    fileprivate var information: RESPAnswer {
        .array([
            .text(fullName), .integer(Int64(arity)),
            .set(Flags.names.filter { flags.contains($0.0) }.map { .simple($0.1) }),
            .integer(Int64(keys.first)), .integer(Int64(keys.last)), .integer(Int64(keys.step)),
            .set(categories.map { .simple($0) }), .set(tips.map { .text($0) }), .set(keySpecifications),
            .set(subcommands.map(\.information)),
        ])
    }

    fileprivate var documented: (RESPAnswer, RESPAnswer) {
        var fields: [(RESPAnswer, RESPAnswer)] = [
            (.text("summary"), .text(summary)), (.text("since"), .text(since)),
            (.text("group"), .text(group.rawValue)),
        ]
        if !subcommands.isEmpty { fields.append((.text("subcommands"), .map(subcommands.map(\.documented)))) }
        return (.text(fullName), .map(fields))
    }

    /// The categories of Redis's access control, in its order.
    private var categories: [StaticString] {
        var categories: [StaticString] = []
        let isAboutKeys = group == .generic || name == "dbsize" || name.hasPrefix("flush")
        if isAboutKeys, subcommands.isEmpty, name != "wait" { categories.append("@keyspace") }
        if flags.contains(.readonly) { categories.append("@read") }
        if flags.contains(.write) { categories.append("@write") }
        if group == .string { categories.append("@string") }
        if flags.contains(.admin) { categories.append("@admin") }
        categories.append(flags.contains(.fast) ? "@fast" : "@slow")
        if flags.contains(.admin) || ["keys", "flushdb", "flushall", "info"].contains(fullName) {
            categories.append("@dangerous")
        }
        let isOfConnection =
            group == .connection && subcommands.isEmpty || fullName.hasPrefix("command") || name == "wait"
            || name == "readonly" || name == "readwrite"
        if isOfConnection { categories.append("@connection") }
        return categories
    }

    /// The tips by which clients of a cluster choose the nodes to send a command to.
    private var tips: [String] {
        switch fullName {
        case "mget": ["request_policy:multi_shard"]
        case "mset": ["request_policy:multi_shard", "response_policy:all_succeeded"]
        case "del", "unlink", "exists", "touch": ["request_policy:multi_shard", "response_policy:agg_sum"]
        case "flushdb", "flushall", "ping": ["request_policy:all_shards", "response_policy:all_succeeded"]
        case "wait": ["request_policy:all_shards", "response_policy:agg_min"]
        case "ttl", "pttl", "time", "object|encoding", "client|list", "client|info": ["nondeterministic_output"]
        case "scan": ["nondeterministic_output", "request_policy:special"]
        case "keys": ["request_policy:all_shards", "nondeterministic_output_order"]
        case "randomkey": ["request_policy:all_shards", "nondeterministic_output"]
        case "dbsize": ["request_policy:all_shards", "response_policy:agg_sum"]
        case "info": ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]
        case "command", "command|info", "command|docs": ["nondeterministic_output_order"]
        default: []
        }
    }

    private var keySpecifications: [RESPAnswer] {
        guard keys.step > 0 else { return [] }
        let access: [StaticString] = flags.contains(.readonly) ? ["RO", "access"] : ["RW", "access", "update"]
        let last = keys.last < 0 ? keys.last : keys.last - keys.first
        return [
            .map([
                (.text("flags"), .set(access.map { .simple($0) })),
                (
                    .text("begin_search"),
                    .map([
                        (.text("type"), .text("index")),
                        (.text("spec"), .map([(.text("index"), .integer(Int64(keys.first)))])),
                    ])
                ),
                (
                    .text("find_keys"),
                    .map([
                        (.text("type"), .text("range")),
                        (
                            .text("spec"),
                            .map([
                                (.text("lastkey"), .integer(Int64(last))),
                                (.text("keystep"), .integer(Int64(keys.step))), (.text("limit"), .integer(0)),
                            ])
                        ),
                    ])
                ),
            ])
        ]
    }
}
