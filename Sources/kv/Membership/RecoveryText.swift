import KVCore
import KVNode

/// Describes what a recovery does and what it loses.
enum RecoveryText {
    static func lines(_ work: ClusterRecovery) -> [String] {
        let recovery = work.recovery
        let settings = work.before.settings
        var lines = [
            "\(work.node) goes by epoch \(work.before.epoch) of the cluster \(settings.name): "
                + "\(count(work.before.members.count, "member")), \(count(work.before.assignments.count, "partition")), up to "
                + "\(count(settings.replicas, "replica")) each",
            "lost for good: \(names(recovery.lost))", "left: \(names(recovery.left))", "",
        ]
        let all = recovery.fates.count
        let kept = recovery.fates.count { $0 == .kept }
        if kept > 0 {
            lines.append(
                "\(kept) of \(count(all, "partition")): a majority of the replicas is left"
                    + (work.mayLackRecords ? "" : "; nothing is lost"))
        }
        var reduced: [[NodeNumber]: [Int]] = [:]
        var unfinished: [[NodeNumber]: [Int]] = [:]
        var gone: [Int] = []
        let slots = recovery.topology.slots
        for (place, fate) in recovery.fates.enumerated() {
            // Users see partitions by their numbers.
            let partition = Int(slots.partition(at: place).raw)
            switch fate {
            case .kept: break
            case .reduced(let replicas): reduced[replicas, default: []].append(partition)
            case .unfinished(let replicas): unfinished[replicas, default: []].append(partition)
            case .gone: gone.append(partition)
            }
        }
        lines += groups(
            reduced, of: all, recovery,
            [
                "the majority is lost; served is what the last replicas hold.",
                "  Lost is what was acknowledged without them: while they were down, cut off or behind.",
            ])
        lines += groups(
            unfinished, of: all, recovery,
            [
                "they were moving, and only copies that were not finished are left.",
                "  Most of their keys may be lost.",
            ])
        if !gone.isEmpty {
            lines.append("\(gone.count) of \(count(all, "partition")): no replica is left, all their keys are lost")
            lines.append("    \(TopologyRecovery.ranges(gone))")
        }
        if work.mayLackRecords {
            lines += [
                "",
                "the machine of \(work.node) lost power while it ran with storage.sync: interval or never:",
                "  the newest writes may be missing here. What it holds is taken for complete all the same, rather than",
                "  wait for the replicas that are lost.",
            ]
        }
        return lines
    }

    /// The text after a recovery that was only shown: what to do before it is done.
    static func before(_ work: ClusterRecovery) -> [String] {
        [
            "", "nothing was changed; --yes does it. Before that",
            "  - stop every member that is left, and run this on each: where the epochs that it shows differ, start",
            "    those with the highest first",
            "  - see to it that \(names(work.recovery.lost)) cannot come up by themselves",
        ]
    }

    static func after(_ work: ClusterRecovery) -> [String] {
        let others = work.recovery.left.filter { $0.id != work.node }
        var lines = ["", "done: \(work.node) goes by epoch \(work.recovery.topology.epoch) from its next start"]
        if !others.isEmpty { lines.append("run the same on \(names(others)), then start all that are left") }
        lines.append("'kv ring' shows when their replicas are copied; then let new nodes join with 'kv join'")
        return lines
    }

    private static func groups(
        _ groups: [[NodeNumber]: [Int]], of all: Int, _ recovery: TopologyRecovery, _ meaning: [String]
    ) -> [String] {
        guard !groups.isEmpty else { return [] }
        let total = groups.values.reduce(0) { $0 + $1.count }
        let places = groups.sorted { $0.value[0] < $1.value[0] }.map { replicas, partitions in
            let holders = replicas.compactMap { recovery.topology.member($0)?.id }.joined(separator: " and ")
            return "    at \(holders): \(TopologyRecovery.ranges(partitions))"
        }
        return ["\(total) of \(count(all, "partition")): \(meaning[0])"] + meaning.dropFirst() + places
    }

    private static func names(_ members: [Member]) -> String { members.map(\.id).joined(separator: ", ") }

    private static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
