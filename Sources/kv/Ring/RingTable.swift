import KVClient
import KVCore

/// Describes the ring in words.
enum RingTable {
    /// Returns a line about the cluster, one for each node, and the plan and warnings if there are any.
    /// - Parameter marked: whether to show the letters of the drawing.
    static func lines(_ ring: RingStatus, marked: Bool) -> [String] {
        var columns: [(String, TextTable.Alignment)] = [
            ("NODE", .left), ("STATE", .left), ("ZONE", .left), ("WEIGHT", .right), ("REPLICAS", .right), ("", .right),
            ("LEADERS", .right), ("", .right), ("KEYS", .right), ("SIZE", .right), ("CLIENT", .left),
        ]
        if marked { columns.insert(("", .left), at: 0) }
        var table = TextTable(columns)
        let replicas = ring.nodes.reduce(0) { $0.addingReportingOverflow($1.replicas).partialValue }
        let leaders = ring.nodes.reduce(0) { $0.addingReportingOverflow($1.leaders).partialValue }
        for (index, node) in ring.nodes.enumerated() {
            var cells = [
                node.id, state(of: node), node.zone.isEmpty ? "-" : node.zone, "\(node.weight)", "\(node.replicas)",
                share(node.replicas, of: replicas), "\(node.leaders)", share(node.leaders, of: leaders),
                // Not known before the node's first report.
                node.keys.map { "\($0)" } ?? "-", node.bytes.map(size) ?? "-", node.client,
            ]
            if marked { cells.insert(RingDrawing.mark(of: index), at: 0) }
            table.add(cells)
        }
        for node in ring.waiting {
            var cells = [
                node.id, node.admitsItself ? "waiting (joins itself)" : node.state, node.zone.isEmpty ? "-" : node.zone,
                "\(node.weight)", "-", "", "-", "", "-", "-", node.client,
            ]
            if marked { cells.insert("", at: 0) }
            table.add(cells)
        }
        let title =
            "cluster \(ring.cluster): \(ring.nodes.count) nodes, \(ring.partitions) partitions,"
            + " up to \(ring.replicas) replicas each, epoch \(ring.epoch)"
        return [title, ""] + table.lines + plan(ring.plan) + warnings(ring)
    }

    /// The state in one word, or in two for a node that is neither alive nor active.
    private static func state(of node: NodeStatus) -> String {
        node.standing == "active" || node.standing == node.state ? node.state : "\(node.state), \(node.standing)"
    }

    /// The number of moves that are shown at most. Those with obstacles come first.
    private static let maximumMoves = 8

    private static func plan(_ plan: PlanProgress?) -> [String] {
        guard let plan else { return [] }
        let reason = plan.reason == "eviction" ? " (evicted: dead for too long)" : ""
        var lines = ["", "plan \(plan.id): \(PlanText.change(plan))\(reason)", PlanText.progress(plan).trimmed]
        if plan.isSplit, !plan.isCancelling {
            let other = plan.isPaused ? "--resume' goes on with it" : "--pause' holds it up"
            lines.append("'kv ring \(other), 'kv ring --cancel' ends it; what has been split stays so")
        }
        guard !plan.underWay.isEmpty else { return lines }
        var table = TextTable([
            ("PARTITION", .right), ("FROM", .left), ("TO", .left), ("SENT", .right), ("OF", .right),
            ("HELD UP BY", .left),
        ])
        for move in plan.underWay.prefix(maximumMoves) {
            table.add([
                "\(move.partition)", move.from.joined(separator: ","), move.to.joined(separator: ","), size(move.sent),
                size(move.total), move.obstacle?.message ?? "-",
            ])
        }
        let more = plan.underWay.count - maximumMoves
        return lines + [""] + table.lines + (more > 0 ? ["and \(more) more under way"] : [])
    }

    private static func warnings(_ ring: RingStatus) -> [String] {
        let leaderless = ring.assignments.count { $0.leader == nil }
        guard leaderless > 0 else { return [] }
        return ["", "\(leaderless) of \(ring.assignments.count) partitions have no leader known to this node"]
    }

    /// Returns a line for each key.
    static func lines(_ placements: some Sequence<(Key, KeyPlacement)>) -> [String] {
        var table = TextTable([
            ("KEY", .left), ("SLOT", .right), ("PARTITION", .right), ("REPLICAS", .left), ("LEADER", .left),
        ])
        for (key, placement) in placements {
            let replicas = placement.replicas.joined(separator: ",")
            table.add([
                printable("\(key)"), "\(placement.slot)", "\(placement.partition)", replicas, placement.leader ?? "-",
            ])
        }
        return table.lines
    }

    /// The share in percent, to a tenth.
    static func share(_ part: Int, of whole: Int) -> String {
        guard whole > 0, part >= 0, part <= whole, whole < Int.max / 2000 else { return "-" }
        let tenths = (part * 2000 + whole) / (whole * 2)
        return "\(tenths / 10).\(tenths % 10)%"
    }

    /// A number of bytes in the largest unit that it reaches, to a tenth.
    static func size(_ bytes: UInt64) -> String {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        guard bytes >= 1024 else { return "\(bytes) B" }
        var whole = bytes
        var unit = -1
        while whole >= 1024 * 1024 {
            whole >>= 10
            unit += 1
        }
        return "\(whole / 1024).\(whole % 1024 * 10 / 1024) \(units[unit + 1])"
    }

    /// Replaces control characters, so that the bytes of a key cannot control the terminal.
    private static func printable(_ text: String) -> String {
        text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : String($0) }.joined()
    }
}
