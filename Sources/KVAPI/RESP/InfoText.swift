import KVCore

/// The text of INFO, as far as this node knows it without asking other nodes.
struct InfoText {
    private typealias Section = (name: String, lines: [(String, String)])

    private let session: RESPSession

    init(_ session: RESPSession) { self.session = session }

    /// - Parameter sections: as the client asks for them; none means all.
    func text(sections: [String]) -> String {
        let wanted = Set(sections.map { $0.lowercased() })
        let isAll = wanted.isEmpty || !wanted.isDisjoint(with: ["all", "default", "everything"])
        return all.filter { isAll || wanted.contains($0.name.lowercased()) }
            .map { section in
                "# \(section.name)\r\n" + section.lines.map { "\($0.0):\($0.1)\r\n" }.joined()
            }
            .joined(separator: "\r\n")
    }

    private var all: [Section] {
        [server, clients, memory, persistence, stats, replication, cpu, cluster, keyspace]
    }

    private var server: Section {
        let info = session.server.info
        let wall = session.wall
        let uptime = (wall - min(session.server.began, wall)) / 1000
        return (
            "Server",
            [
                ("redis_version", ConnectionCommands.redisVersion), ("kv_version", info.version),
                ("redis_mode", "cluster"), ("kv_node", session.server.backend.nodeID), ("arch_bits", "64"),
                ("process_id", "\(info.processID)"), ("tcp_port", "\(info.client.port)"),
                ("server_time_usec", "\(wall * 1000)"), ("uptime_in_seconds", "\(uptime)"),
                ("uptime_in_days", "\(uptime / 86_400)"),
            ]
        )
    }

    private var clients: Section {
        (
            "Clients",
            [
                ("connected_clients", "\(session.server.connectedCount)"),
                ("maxclients", "\(session.server.info.maximumConnections)"),
                ("blocked_clients", "0"),
            ]
        )
    }

    private var memory: Section {
        let used = session.server.backend.usage.memory
        return (
            "Memory",
            [
                ("used_memory", "\(used)"), ("used_memory_rss", "\(used)"), ("maxmemory", "0"),
                ("maxmemory_policy", "noeviction"),
            ]
        )
    }

    private var persistence: Section {
        let usage = session.server.backend.usage
        return (
            "Persistence",
            [
                ("loading", "0"), ("rdb_bgsave_in_progress", "0"), ("aof_enabled", "1"),
                ("aof_rewrite_in_progress", "0"), ("aof_last_write_status", "ok"),
                ("kv_stored_bytes", "\(usage.keys.bytes)"), ("kv_damaged_records", "\(usage.disk.damaged)"),
                ("kv_repaired_records", "\(usage.disk.repaired)"),
            ]
        )
    }

    private var stats: Section {
        let counts = session.server.statistics.current
        return (
            "Stats",
            [
                ("total_connections_received", "\(session.server.openedCount)"),
                ("total_commands_processed", "\(counts.commands)"), ("total_net_input_bytes", "\(counts.bytesIn)"),
                ("total_net_output_bytes", "\(counts.bytesOut)"),
            ]
        )
    }

    /// Every node leads some of the keys.
    private var replication: Section { ("Replication", [("role", "master"), ("connected_slaves", "0")]) }

    private var cpu: Section {
        let usage = session.server.backend.usage
        return (
            "CPU",
            [
                ("used_cpu_sys", Self.seconds(usage.systemTime)), ("used_cpu_user", Self.seconds(usage.userTime)),
            ]
        )
    }

    private var cluster: Section { ("Cluster", [("cluster_enabled", "1")]) }

    /// Of this node, as leader or replica.
    private var keyspace: Section {
        let keys = session.server.backend.usage.keys.keys
        return ("Keyspace", keys > 0 ? [("db0", "keys=\(keys)")] : [])
    }

    private static func seconds(_ time: Nanoseconds) -> String {
        let microseconds = String(time.nanoseconds / 1000 % 1_000_000)
        let zeros = String(repeating: "0", count: 6 - microseconds.utf8.count)
        return "\(time.nanoseconds / 1_000_000_000).\(zeros)\(microseconds)"
    }
}
