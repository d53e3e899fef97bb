import KVCore
import KVWire

/// CONFIG GET: what clients of Redis ask for, as far as it has a meaning here.
enum ConfigCommands {
    static let container = RESPCommand(
        "config", -2, [], .server, since: "2.0.0", "Contains commands on the configuration.",
        subcommands: [
            RESPCommand(
                "get", -3, [.admin, .noscript, .loading, .stale], .none, .server, since: "2.0.0",
                "Gives settings by pattern.", of: "config", get)
        ])

    private static func get(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        let settings = settings(session)
        var found: [(name: String, value: String)] = []
        for index in 2..<arguments.count {
            let pattern = arguments[index].map(lowercased)
            let isGlob = pattern.contains { "*?[".utf8.contains($0) }
            let glob = RESPGlob(pattern)
            for (name, value) in settings where glob.matches(Array(name.utf8)) {
                // Redis gives a name back as it was asked for.
                let shown = isGlob ? name : arguments.text(index)
                if !found.contains(where: { $0.name == shown }) { found.append((shown, value)) }
            }
        }
        return .answer(.map(found.map { (.text($0.name), .text($0.value)) }))
    }

    private static func settings(_ session: RESPSession) -> [(String, String)] {
        let info = session.server.info
        return [
            ("appendfsync", info.appendfsync),
            // The log is the database.
            ("appendonly", "yes"),
            ("bind", info.client.host),
            ("client-query-buffer-limit", "\(session.server.options.maximumRequestBytes)"),
            ("cluster-enabled", "yes"),
            ("databases", "1"),
            ("dir", info.dataDirectory),
            ("io-threads", "\(info.threads)"),
            ("maxclients", "\(info.maximumConnections)"),
            // No limit: keys must fit the memory, values are on disk.
            ("maxmemory", "0"),
            ("maxmemory-policy", "noeviction"),
            ("port", "\(info.client.port)"),
            ("proto-max-bulk-len", "\(session.limits.value)"),
            // There are no snapshots.
            ("save", ""),
            // Idle connections stay open.
            ("timeout", "0"),
        ]
    }
}
