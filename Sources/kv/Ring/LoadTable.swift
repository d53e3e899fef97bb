import KVClient

/// Describes in words what the nodes serve.
enum LoadTable {
    /// Returns a line for each shard, and for each of the busiest partitions.
    static func lines(_ load: ClusterLoad) -> [String] { shards(load) + [""] + busiest(load) + silent(load) }

    private static func shards(_ load: ClusterLoad) -> [String] {
        var table = TextTable([
            ("NODE", .left), ("SHARD", .right), ("PARTITIONS", .right), ("LEADERS", .right), ("READS/s", .right),
            ("WRITES/s", .right), ("COPIES/s", .right), ("KEYS", .right), ("SIZE", .right),
        ])
        for node in load.nodes {
            for shard in node.shards {
                table.add([
                    node.node, "\(shard.shard)", "\(shard.partitions)", "\(shard.leaders)", rate(shard.reads),
                    rate(shard.writes), rate(shard.copies), "\(shard.keys)", RingTable.size(shard.bytes),
                ])
            }
        }
        return table.lines
    }

    private static func busiest(_ load: ClusterLoad) -> [String] {
        let busiest = load.busiest
        guard !busiest.isEmpty else { return ["no requests about keys came meanwhile"] }
        let requests = load.nodes.lazy.flatMap(\.shards).reduce(0) { $0 + $1.reads + $1.writes }
        var table = TextTable([
            ("PARTITION", .right), ("NODE", .left), ("SHARD", .right), ("LEADER", .left), ("READS/s", .right),
            ("WRITES/s", .right), ("", .right), ("KEYS", .right), ("SIZE", .right),
        ])
        for busy in busiest {
            table.add([
                "\(busy.load.partition)", busy.node, "\(busy.load.shard)", busy.load.leader ?? "-",
                rate(busy.load.reads), rate(busy.load.writes), share(busy.requests, of: requests),
                "\(busy.load.keys)", RingTable.size(busy.load.bytes),
            ])
        }
        return table.lines
    }

    private static func silent(_ load: ClusterLoad) -> [String] {
        guard !load.silent.isEmpty else { return [] }
        return [""] + load.silent.map { "\($0.id) does not say what it serves: \($0.reason)" }
    }

    /// A number per second: to a tenth below 10, and whole above.
    private static func rate(_ number: Double) -> String {
        let tenths = tenths(number)
        return tenths < 100 ? "\(tenths / 10).\(tenths % 10)" : "\((tenths + 5) / 10)"
    }

    /// The share in percent, to a tenth.
    private static func share(_ part: Double, of whole: Double) -> String {
        guard whole > 0 else { return "-" }
        let tenths = tenths(part / whole * 100)
        return "\(tenths / 10).\(tenths % 10)%"
    }

    /// What is no number, or too large, came from no node of kv.
    private static func tenths(_ number: Double) -> UInt64 { UInt64(exactly: (number * 10).rounded()) ?? 0 }
}
