import KVClient
import KVCore

/// Describes plans in words.
enum PlanText {
    /// `n4 joins, n2 and n3 leave`
    static func change(_ plan: PlanProgress) -> String { change(joining: plan.joining, leaving: plan.leaving) }

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

    /// The progress on one line: `43%  512.0 MiB of 1.2 GiB, 330 of 768 replicas, 98.0 MiB/s, 12s left`.
    static func progress(_ plan: PlanProgress) -> String {
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
