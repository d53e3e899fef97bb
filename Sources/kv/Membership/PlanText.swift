import KVClient
import KVCore

/// Describes plans in words.
enum PlanText {
    /// `n4 joins, n2 and n3 leave`
    static func change(_ plan: PlanProgress) -> String {
        guard plan.isSplit else { return change(joining: plan.joining, leaving: plan.leaving) }
        // A member that dies is removed by the plan under way, whatever that is.
        let members = plan.joining + plan.leaving
        return split(plan) + (members.isEmpty ? "" : ", " + change(joining: plan.joining, leaving: plan.leaving))
    }

    private static func split(_ plan: PlanProgress) -> String {
        plan.isCancelling
            ? "no more partitions are split" : "partitions are split until there are \(plan.splitTo ?? 0)"
    }

    /// `1 partition`, `64 partitions`
    static func partitions(_ count: Int) -> String { "\(count) partition\(count == 1 ? "" : "s")" }

    /// The command that has the orders about such a plan. (Other commands that have them do as well.)
    static func command(_ plan: PlanProgress) -> String { plan.isSplit ? "kv ring" : "kv join" }

    static func change(joining: [String], leaving: [String]) -> String {
        var parts: [String] = []
        if !joining.isEmpty { parts.append("\(list(joining)) \(joining.count == 1 ? "joins" : "join")") }
        if !leaving.isEmpty { parts.append("\(list(leaving)) \(leaving.count == 1 ? "leaves" : "leave")") }
        return parts.isEmpty ? "nobody joins or leaves" : parts.joined(separator: ", ")
    }

    private static func list(_ ids: [String]) -> String {
        guard let last = ids.last, ids.count > 1 else { return ids.first ?? "" }
        return ids.dropLast().joined(separator: ", ") + " and " + last
    }

    /// The progress on one line: `43%  512.0 MiB of 1.2 GiB, 330 of 768 replicas, 98.0 MiB/s, 12s left`, or
    /// `96 of 128 partitions` if partitions are split.
    static func progress(_ plan: PlanProgress) -> String {
        if plan.isSplit { return splitProgress(plan) }
        var parts = [
            "\(RingTable.size(plan.bytesDone)) of \(RingTable.size(max(plan.bytes, plan.bytesDone)))",
            "\(plan.movesDone) of \(plan.moves) replicas",
        ]
        if plan.isPaused {
            parts.append("paused")
        } else {
            if plan.rate > 0 { parts.append("\(RingTable.size(plan.rate))/s") }
            if let time = plan.timeLeft { parts.append("\(duration(time)) left") }
        }
        if plan.isCancelling { parts.append("cancelling") }
        let percent = String(Int(fraction(plan) * 100))
        return String(repeating: " ", count: max(3 - percent.count, 0)) + "\(percent)%  "
            + parts.joined(separator: ", ")
    }

    private static func splitProgress(_ plan: PlanProgress) -> String {
        let count = plan.partitions ?? 0
        var parts = [plan.isCancelling ? partitions(count) : "\(count) of \(partitions(plan.splitTo ?? 0))"]
        // Splits copy nothing, but the removal of a member that died does.
        if plan.moves > 0 { parts.append("\(plan.movesDone) of \(plan.moves) replicas copied") }
        if plan.isPaused { parts.append("paused") }
        if let node = plan.waitsFor { parts.append("waiting for \(node), which has yet to divide its records") }
        if plan.isCancelling { parts.append("cancelling") }
        return parts.joined(separator: ", ")
    }

    /// The part of the splits that is done, from 0 to 1.
    /// - Parameter first: The number of partitions from which they are counted.
    static func splitFraction(_ plan: PlanProgress, since first: Int) -> Double {
        let all = (plan.splitTo ?? 0) - first
        return all > 0 ? min(max(Double((plan.partitions ?? 0) - first) / Double(all), 0), 1) : 0
    }

    /// The part that is done, from 0 to 1, and 1 only if the plan is done. It is of the bytes or, if there are none, of
    /// the replicas.
    static func fraction(_ plan: PlanProgress) -> Double {
        let part =
            plan.bytes > 0
            ? Double(plan.bytesDone) / Double(plan.bytes) : Double(plan.movesDone) / Double(max(plan.moves, 1))
        return min(max(part, 0), plan.partitionsLeft > 0 ? 0.99 : 1)
    }

    /// The first obstacle; nil if there is none.
    static func obstacle(_ plan: PlanProgress) -> String? {
        guard !plan.isPaused, let move = plan.underWay.first(where: { $0.obstacle != nil }),
            let obstacle = move.obstacle
        else { return nil }
        let others = plan.underWay.count { $0.obstacle != nil } - 1
        let more = others > 0 ? " (and \(others) more)" : ""
        return "partition \(move.partition)\(more): \(obstacle.message)"
    }

    /// A time in its two largest units: `12s`, `3m05s`, `2h10m`, `4d03h`.
    static func duration(_ time: Duration) -> String {
        let seconds = Nanoseconds(time).milliseconds / 1000
        func two(_ number: UInt64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        switch seconds {
        case ..<60: return "\(seconds)s"
        case ..<3600: return "\(seconds / 60)m\(two(seconds % 60))s"
        case ..<86_400: return "\(seconds / 3600)h\(two(seconds % 3600 / 60))m"
        default: return "\(seconds / 86_400)d\(two(seconds % 86_400 / 3600))h"
        }
    }
}

extension PlanProgress {
    var isSplit: Bool { reason == "split" }
}
