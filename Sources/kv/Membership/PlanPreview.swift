import KVClient
import KVCore

/// Describes what a plan would do, before it begins.
enum PlanPreview {
    /// - Parameters:
    ///   - goal: what was asked for. Its weights and zones take precedence over those that the nodes have themselves.
    ///   - ring: has the nodes' own zones and weights; nil if it could not be read.
    static func lines(_ plan: PlanProgress, of goal: PlanGoal, _ ring: RingStatus?) -> [String] {
        let lines = plan.isSplit ? split(plan, ring) : moves(plan)
        let warnings = warnings(plan, ring)
        guard !plan.shares.isEmpty else { return lines + warnings }
        var table = TextTable([
            ("NODE", .left), ("", .left), ("ZONE", .left), ("WEIGHT", .right), ("REPLICAS", .right), ("AFTER", .right),
            ("LEADERS", .right), ("AFTER", .right),
        ])
        for share in plan.shares {
            let isNew = share.replicasBefore == 0 && plan.joining.contains(share.id)
            let isGone = share.replicasAfter == 0 && plan.leaving.contains(share.id)
            let place = place(of: share.id, isNew: isNew, goal, ring)
            table.add([
                share.id, isNew ? "joins" : isGone ? "leaves" : "", place.zone, place.weight,
                "\(share.replicasBefore)", "\(share.replicasAfter)", "\(share.leadersBefore)", "\(share.leadersAfter)",
            ])
        }
        return lines + [""] + table.lines + (warnings.isEmpty ? [] : [""] + warnings)
    }

    private static func moves(_ plan: PlanProgress) -> [String] {
        let least =
            plan.moves <= plan.minimum
            ? "the fewest possible" : "the fewest possible for any balanced placement: \(plan.minimum)"
        return [
            PlanText.change(plan),
            "to copy: \(plan.moves) replicas (\(least)), about \(RingTable.size(plan.bytes))",
        ]
    }

    private static func split(_ plan: PlanProgress, _ ring: RingStatus?) -> [String] {
        let before = plan.partitions ?? 0
        let after = plan.splitTo ?? 0
        var lines = [
            "\(PlanText.partitions(before)) now, \(after) when it is done: they are split in two until there are so many",
            "nothing is copied and no replica moves: each node divides what it holds; nodes and clients go on meanwhile",
        ]
        if let ring, let keys = ring.perReplica(\.keys), let bytes = ring.perReplica(\.bytes), before > 0, after > 0 {
            func held(_ count: Int) -> String {
                let part = Double(before) / Double(count)
                return "\(UInt64((keys * part).rounded())) keys, \(RingTable.size(UInt64(bytes * part)))"
            }
            lines.append("in a partition, on average: \(held(before)) now, \(held(after)) then")
        }
        return lines + [
            "what has been split cannot be joined again; 'kv ring --cancel' stops it there, and asking again goes on"
        ]
    }

    /// Warnings about a cluster that will tolerate fewer failures than the user may expect, one per line.
    static func warnings(_ plan: PlanProgress, _ ring: RingStatus?) -> [String] {
        guard let ring else { return [] }
        let before = Set(ring.nodes.map(\.id))
        let after = before.subtracting(plan.leaving).union(plan.joining).count
        var warnings: [String] = []
        if after < ring.replicas, after < before.count {
            let left = after == 1 ? "only 1 member is left" : "only \(after) members are left"
            warnings.append(
                "warning: \(left) to hold \(ring.replicas) replicas of each partition, so each will have \(after)")
        }
        if after == 2, ring.replicas > 1 {
            warnings.append(
                "warning: of two members neither can do without the other: if either is down nothing is served; join a "
                    + "third")
        }
        return warnings
    }

    private static func place(
        of id: String, isNew: Bool, _ goal: PlanGoal, _ ring: RingStatus?
    ) -> (zone: String, weight: String) {
        var join: MembershipChange.Join?
        if isNew, case .members(let change) = goal { join = change.joins.first { $0.id == id } }
        let waiting = isNew ? ring?.waiting.first { $0.id == id } : nil
        let member = ring?.nodes.first { $0.id == id }
        let zone = join?.zone ?? waiting?.zone ?? member?.zone
        let weight = join?.weight ?? waiting?.weight ?? member?.weight
        return (zone.map { $0.isEmpty ? "-" : $0 } ?? "?", weight.map { "\($0)" } ?? "?")
    }
}

extension RingStatus {
    /// What a replica holds on average; nil if that is not known of all nodes.
    fileprivate func perReplica(_ figure: KeyPath<NodeStatus, UInt64?>) -> Double? {
        var sum = 0.0
        var replicas = 0.0
        for node in nodes where node.replicas > 0 {
            guard let part = node[keyPath: figure] else { return nil }
            sum += Double(part)
            replicas += Double(node.replicas)
        }
        let mean = sum / replicas
        return replicas > 0 && mean < Double(1 << 60) ? mean : nil
    }
}
