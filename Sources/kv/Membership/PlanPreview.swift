import KVClient
import KVCore

/// Describes what a plan would do, before it begins.
enum PlanPreview {
    /// - Parameters:
    ///   - change: the change that was asked for. Its weights and zones take precedence over those that the nodes have
    ///     themselves.
    ///   - ring: has the nodes' own zones and weights; nil if it could not be read.
    static func lines(_ plan: PlanProgress, of change: MembershipChange, _ ring: RingStatus?) -> [String] {
        var lines = [PlanText.change(plan)]
        let least =
            plan.moves <= plan.minimum
            ? "the fewest possible" : "the fewest possible for any balanced placement: \(plan.minimum)"
        lines.append("to copy: \(plan.moves) replicas (\(least)), about \(RingTable.size(plan.bytes))")
        let warnings = warnings(plan, ring)
        guard !plan.shares.isEmpty else { return lines + warnings }
        var table = TextTable([
            ("NODE", .left), ("", .left), ("ZONE", .left), ("WEIGHT", .right), ("REPLICAS", .right), ("AFTER", .right),
            ("LEADERS", .right), ("AFTER", .right),
        ])
        for share in plan.shares {
            let isNew = share.replicasBefore == 0 && plan.joining.contains(share.id)
            let isGone = share.replicasAfter == 0 && plan.leaving.contains(share.id)
            let place = place(of: share.id, isNew: isNew, change, ring)
            table.add([
                share.id, isNew ? "joins" : isGone ? "leaves" : "", place.zone, place.weight,
                "\(share.replicasBefore)", "\(share.replicasAfter)", "\(share.leadersBefore)", "\(share.leadersAfter)",
            ])
        }
        return lines + [""] + table.lines + (warnings.isEmpty ? [] : [""] + warnings)
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
        of id: String, isNew: Bool, _ change: MembershipChange, _ ring: RingStatus?
    ) -> (zone: String, weight: String) {
        let join = isNew ? change.joins.first { $0.id == id } : nil
        let waiting = isNew ? ring?.waiting.first { $0.id == id } : nil
        let member = ring?.nodes.first { $0.id == id }
        let zone = join?.zone ?? waiting?.zone ?? member?.zone
        let weight = join?.weight ?? waiting?.weight ?? member?.weight
        return (zone.map { $0.isEmpty ? "-" : $0 } ?? "?", weight.map { "\($0)" } ?? "?")
    }
}
